//! The documentation of a set: for each migration its purpose, changes, locks, findings, checks, directives and dependencies.

use std::collections::HashMap;

use refit_lint::{Finding, Prediction, Severity};
use refit_model::wording::counted;
use refit_model::{Check, Migration, MigrationFile, MigrationSet, Version, When};

use super::sheet::{Block, Cell, Section, Sheet};
use crate::output::{BAD, WARN};

/// What the linter says about the files of a set, by file name.
#[derive(Debug, Default)]
pub(crate) struct Model {
    predictions: HashMap<String, Vec<Prediction>>,
    findings: HashMap<String, Vec<Finding>>,
}

impl Model {
    pub(crate) fn new(predictions: Vec<Prediction>, findings: Vec<Finding>) -> Model {
        let mut model = Model::default();
        for prediction in predictions {
            model.predictions.entry(file_name(&prediction.path)).or_default().push(prediction);
        }
        for finding in findings {
            model.findings.entry(file_name(&finding.path)).or_default().push(finding);
        }
        model
    }
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// The set as one page.
pub(crate) fn doc(title: &str, set: &MigrationSet, model: &Model) -> Sheet {
    let mut sections: Vec<Section> =
        set.migrations().iter().map(|migration| versioned(migration, set, model)).collect();
    sections.extend(set.repeatables().iter().map(|repeatable| {
        let mut blocks = purpose(repeatable);
        blocks.push(Block::List(vec!["runs whenever its text changes".to_owned()]));
        blocks.extend(text_of(repeatable));
        blocks.extend(lint(repeatable, model));
        blocks.extend(checks("Checks", repeatable.checks.iter()));
        Section { heading: repeatable.stem.clone(), blocks }
    }));
    if !set.standing_checks().is_empty() {
        let blocks = checks("Checks", set.standing_checks().iter());
        sections.push(Section { heading: "Standing checks".to_owned(), blocks });
    }
    let described = set.migrations().iter().filter(|migration| migration.doc.is_some()).count();
    let newest = set.migrations().last().map_or("none".to_owned(), |newest| newest.version.to_string());
    let facts = vec![
        ("Migrations", set.migrations().len().to_string()),
        ("Described", described.to_string()),
        ("Repeatable", set.repeatables().len().to_string()),
        ("Newest version", newest),
    ];
    Sheet { title: title.to_owned(), facts, sections, contents: true }
}

fn versioned(migration: &Migration, set: &MigrationSet, model: &Model) -> Section {
    let mut blocks = purpose(migration);
    let facts = facts(migration, set);
    if !facts.is_empty() {
        blocks.push(Block::List(facts));
    }
    blocks.extend(text_of(migration));
    blocks.push(Block::Heading("Undo"));
    blocks.push(match &migration.down {
        Some(down) => Block::Verbatim(down.text.written().trim_end().to_owned()),
        None => Block::List(vec!["there is no down file".to_owned()]),
    });
    blocks.extend(lint(migration, model));
    blocks.extend(checks("Checks", migration.checks.iter()));
    Section { heading: migration.stem.clone(), blocks }
}

fn purpose(file: &MigrationFile) -> Vec<Block> {
    match &file.doc {
        Some(doc) => vec![Block::Prose(doc.text.to_string())],
        None => vec![Block::List(vec!["there is no description".to_owned()])],
    }
}

/// The text without its directives, which are listed.
fn text_of(file: &MigrationFile) -> Vec<Block> {
    let (directives, text): (Vec<&str>, Vec<&str>) =
        file.sql.written().lines().partition(|line| line.trim_start().starts_with("-- refit:"));
    let mut blocks = Vec::new();
    if !directives.is_empty() {
        let directives =
            directives.iter().map(|line| line.trim_start().trim_start_matches("-- refit:").trim());
        blocks.push(Block::Heading("Directives"));
        blocks.push(Block::Verbatim(directives.collect::<Vec<_>>().join("\n")));
    }
    blocks.push(Block::Heading("Changes"));
    blocks.push(Block::Verbatim(text.join("\n").trim().to_owned()));
    blocks
}

/// How it runs, and which migrations it depends on.
fn facts(migration: &Migration, set: &MigrationSet) -> Vec<String> {
    let directives = &migration.directives;
    let stems = |versions: &[Version]| {
        let stem = |version: &Version| {
            set.migration(*version).map_or_else(|| format!("V{version}"), |found| found.stem.clone())
        };
        versions.iter().map(stem).collect::<Vec<_>>().join(", ")
    };
    let mut facts = Vec::new();
    if !directives.transaction {
        facts.push("runs statement by statement, outside a transaction".to_owned());
    }
    if let Some(backfill) = &directives.backfill {
        facts.push(format!("is a backfill of {}", backfill.table));
    }
    if directives.manual {
        facts.push("runs only when it is named".to_owned());
    }
    if !directives.after.is_empty() {
        facts.push(format!("waits until these are complete: {}", stems(&directives.after)));
    }
    if !directives.depends.is_empty() {
        facts.push(format!("depends on {}", stems(&directives.depends)));
    }
    let needs = |other: &&Migration| {
        let named = other.directives.after.iter().chain(&other.directives.depends);
        named.into_iter().any(|version| *version == migration.version)
    };
    let needed: Vec<&str> = set.migrations().iter().filter(needs).map(|other| other.stem.as_str()).collect();
    if !needed.is_empty() {
        facts.push(format!("is needed by {}", needed.join(", ")));
    }
    facts
}

/// The locks that the linter predicts, and its findings.
fn lint(file: &MigrationFile, model: &Model) -> Vec<Block> {
    let name = file_name(&file.path);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for prediction in model.predictions.get(&name).into_iter().flatten() {
        let line = file.sql.position(prediction.span.start as usize).line.to_string();
        let effects = &prediction.effects;
        for (table, lock) in &effects.locks {
            let same = |(other, _): &&(refit_lint::sql::Name, refit_lint::effects::Work)| {
                other.to_string() == table.to_string()
            };
            let work: Vec<String> =
                effects.work.iter().filter(same).map(|(_, work)| work.to_string()).collect();
            rows.push(vec![
                line.clone().into(),
                table.to_string().into(),
                lock.to_string().into(),
                work.join(", ").into(),
            ]);
        }
    }
    let mut blocks = Vec::new();
    if !rows.is_empty() {
        blocks.push(Block::Heading("Locks"));
        blocks.push(Block::Table(vec!["Line", "Table", "Lock", "Work"], rows));
    }
    let findings = model.findings.get(&name).into_iter().flatten();
    let row = |finding: &Finding| {
        let severity = match finding.severity {
            Severity::Error => Cell::styled("error", BAD),
            Severity::Warning => Cell::styled("warning", WARN),
            Severity::Note => "note".into(),
        };
        vec![
            finding.start.line.to_string().into(),
            severity,
            finding.rule.into(),
            finding.message.clone().into(),
        ]
    };
    let rows: Vec<Vec<Cell>> = findings.map(row).collect();
    if !rows.is_empty() {
        blocks.push(Block::Heading("Findings"));
        blocks.push(Block::Table(vec!["Line", "Severity", "Rule", "Finding"], rows));
    }
    blocks
}

fn checks<'a>(heading: &'static str, checks: impl Iterator<Item = &'a Check>) -> Vec<Block> {
    let row = |check: &Check| {
        let when = match check.when {
            When::Before => "before",
            When::After => "after",
            When::Standing => "on demand",
        };
        let rows = counted(check.max_rows, "row");
        vec![
            check.name.clone().into(),
            when.into(),
            format!("at most {rows}").into(),
            check.sql.written().split_whitespace().collect::<Vec<_>>().join(" ").into(),
        ]
    };
    let rows: Vec<Vec<Cell>> = checks.map(row).collect();
    match rows.is_empty() {
        true => Vec::new(),
        false => {
            vec![Block::Heading(heading), Block::Table(vec!["Check", "When", "Passes with", "Query"], rows)]
        }
    }
}
