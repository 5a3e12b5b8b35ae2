//! Rendering of a trace: below each statement for people, as a list in JSON.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet, normalize_untrusted_str};
use refit_model::LineIndex;
use refit_model::redact::Secrets;
use refit_model::wording::counted;
use refit_rehearsal::rows::Filled;
use refit_rehearsal::{Mismatch, StatementTrace};
use serde::Serialize;

use super::excerpt::Excerpt;
use super::github::{data, property};
use super::{Report, human};
use crate::lint::trace::Traced;
use crate::output::QUIET;
use crate::render::statement;
use crate::styled::{Text, text};

/// The part of the JSON document about the trace.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    postgres: &'a str,
    trace: Vec<Entry<'a>>,
    rows: &'a [Filled],
    skipped: Vec<Skipped<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    statement: &'a StatementTrace,
    mismatches: Vec<Difference<'a>>,
}

#[derive(Serialize)]
struct Difference<'a> {
    table: &'a str,
    about: &'a str,
    predicted: Option<&'a str>,
    observed: Option<&'a str>,
    message: String,
}

#[derive(Serialize)]
struct Skipped<'a> {
    path: &'a str,
    reason: &'a str,
}

pub(super) fn document(traced: &Traced) -> Document<'_> {
    let difference = |one: &'_ Mismatch| one.to_string();
    let entry = |statement| Entry {
        statement,
        mismatches: traced
            .mismatches_of(statement)
            .map(|one| Difference {
                table: &one.table,
                about: one.about,
                predicted: one.predicted.as_deref(),
                observed: one.observed.as_deref(),
                message: difference(one),
            })
            .collect(),
    };
    Document {
        postgres: &traced.trace.postgres,
        trace: traced.trace.statements().map(entry).collect(),
        rows: &traced.trace.rows,
        skipped: traced.trace.skipped.iter().map(|(path, reason)| Skipped { path, reason }).collect(),
    }
}

/// Each traced statement in the style of a finding, with its effects below.
pub(super) fn human(report: &Report<'_>, traced: &Traced) -> Text {
    let renderer = Renderer::styled();
    let mut text = Text::default();
    for file in &traced.trace.files {
        let source = human::source(report, &file.path);
        let source = Secrets::of(&source).masked(&source);
        let index = LineIndex::new(&source);
        // A failed statement is reported as a finding.
        for statement in file.statements.iter().filter(|statement| statement.failure.is_none()) {
            text.push(Text::drawn(draw(&renderer, statement, traced, &source, &index)));
            text.push("\n\n");
        }
    }
    for filled in traced.trace.rows.iter().filter(|filled| filled.reason.is_some()) {
        let reason = filled.reason.as_deref().unwrap_or_default();
        let line = format!("{} has {}: {reason}", filled.table, counted(filled.rows, "row"));
        text.push(text![QUIET.of(normalize_untrusted_str(&line)), "\n"]);
    }
    for (path, reason) in &traced.trace.skipped {
        let path = normalize_untrusted_str(path);
        text.push(text![QUIET.of(format!("not reached: {path}: {reason}")), "\n"]);
    }
    let differ = match traced.mismatches.len() {
        0 => "no mismatch with the prediction".to_owned(),
        count => format!("{} with the prediction", counted(count, "mismatch")),
    };
    let statements = counted(traced.trace.statements().count(), "statement");
    let postgres = &traced.trace.postgres;
    text.push(text![QUIET.of(format!("traced {statements} on PostgreSQL {postgres}: {differ}")), "\n\n"]);
    text
}

fn draw(
    renderer: &Renderer,
    statement: &StatementTrace,
    traced: &Traced,
    source: &str,
    index: &LineIndex<'_>,
) -> String {
    let untrusted = |text: &String| normalize_untrusted_str(text);
    let title = Level::NOTE.primary_title(untrusted(&statement::headline(statement))).id("trace");
    let label = untrusted(&statement::locks(statement));
    let at = Traced::place(statement);
    let group = match Excerpt::new(statement.start..statement.end, source, index) {
        Some(shown) => {
            let annotation = AnnotationKind::Primary.span(shown.span).label(label);
            let snippet = Snippet::source(shown.text).line_start(at.line).annotation(annotation);
            title.element(snippet.path(&statement.path))
        }
        None => title
            .element(Origin::path(&statement.path).line(at.line).char_column(at.column))
            .element(Level::NOTE.message(label)),
    };
    let notes = statement::work(statement).iter().map(untrusted).collect::<Vec<String>>();
    let group = group.elements(notes.into_iter().map(|note| Level::NOTE.message(note)));
    let differences = traced.mismatches_of(statement).map(|one| untrusted(&one.to_string()));
    let differences: Vec<String> = differences.collect();
    renderer.render(&[group.elements(differences.into_iter().map(|text| Level::WARNING.message(text)))])
}

/// Mismatches as notices, one per line. A failed statement is reported as a finding.
pub(super) fn github(traced: &Traced) -> String {
    let place = |one: &Mismatch| {
        let same =
            |statement: &&StatementTrace| statement.path == one.path && statement.statement == one.statement;
        traced.trace.statements().find(same).map_or((1, 1), |statement| (statement.line, statement.column))
    };
    let line = |one: &Mismatch| {
        let (line, column) = place(one);
        let path = property(&one.path);
        format!("::notice file={path},line={line},col={column},title=trace::{}\n", data(&one.to_string()))
    };
    traced.mismatches.iter().map(line).collect()
}
