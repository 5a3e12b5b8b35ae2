//! The help of every rule can be pasted: its SQL runs on a server after the statements before the finding, with plain names and with
//! names that need quotes.

use std::collections::{BTreeMap, BTreeSet};

use refit::model::split_statements;
use refit_devdb::TestDb;
use refit_lint::{Config, Finding, Input, Level, RULES, example_values, lint, split_files};

use crate::support::major;

const FIXTURE: &str = include_str!("../../crates/refit-lint/src/rules/fixture.sql");

/// Rules whose help is a pattern with `…` in it, and what a person has to put there.
const PATTERNS: [(&str, &str); 11] = [
    ("alter-enum-rename", "the tables that have the type"),
    ("backfill-without-range", "the statement's own condition"),
    ("domain-check-column", "the domain's condition"),
    ("lock-table", "which rows"),
    ("not-null-without-backfill", "the values of the rows that are there"),
    ("opaque-execute", "the text"),
    ("prefer-text", "how long the text may be"),
    ("unbatched-insert", "the columns"),
    ("unbatched-loop", "what the rounds do"),
    ("unbatched-merge", "how rows are matched"),
    ("unbatched-update", "what is set, where it is no statement of its own"),
];

/// Rules whose help shows something other than statements.
const NO_SQL: [&str; 8] = [
    "backfill-without-range",
    "newer-syntax",
    "prefer-bigint",
    "prefer-identity",
    "prefer-jsonb",
    "prefer-text",
    "prefer-timestamptz",
    "syntax-error",
];

/// More statements, each with the rule that flags it and with the text that its help must keep.
const KEPT: &str = include_str!("../lint_cases/help.txt");

struct Case {
    rule: String,
    sql: String,
    kept: Vec<String>,
    since: u32,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for rule in RULES {
        for example in rule.examples().into_iter().filter(|example| !example.safe) {
            let since = example.since.unwrap_or(14);
            cases.push(Case { rule: rule.name.to_owned(), sql: example.sql, kept: Vec::new(), since });
        }
    }
    for line in KEPT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut parts = line.split(" | ");
        let (rule, sql) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
        cases.push(Case { rule, sql, kept: parts.map(str::to_owned).collect(), since: 14 });
    }
    cases
}

fn findings(fixture: &str, files: &[(String, String)], case: &Case) -> Vec<Finding> {
    let mut inputs = vec![Input::of_folder("V0__fixture.sql", fixture, false)];
    inputs.extend(files.iter().map(|(path, text)| Input::of_folder(path.as_str(), text.as_str(), true)));
    let levels = BTreeMap::from([(case.rule.clone(), Level::Deny)]);
    let variables = Some(example_values());
    lint(&inputs, &Config { levels, postgres: Some(case.since), variables, ..Config::default() }).findings
}

/// Runs the statements before a finding, and then its help.
async fn paste(db: &TestDb, files: &[(String, String)], finding: &Finding) -> Result<(), String> {
    let client = db.connect().await.unwrap();
    let run = async |sql: &str| {
        let result = match sql.contains("$1") {
            true => client.prepare(sql).await.map(drop),
            false => client.batch_execute(sql).await,
        };
        result.map_err(|error| {
            format!("{}\n{sql}", error.as_db_error().map_or(error.to_string(), ToString::to_string))
        })
    };
    for (path, text) in files {
        let here = *path == finding.path;
        for statement in split_statements(text) {
            if here && statement.offset + statement.text.len() > finding.span.start as usize {
                break;
            }
            let is_control =
                ["BEGIN", "COMMIT", "ROLLBACK"].iter().any(|word| statement.text.starts_with(word));
            if !is_control {
                run(statement.text).await.map_err(|error| format!("before it: {error}"))?;
            }
        }
        if here {
            break;
        }
    }
    let sql = finding.help.split_once('\n').map_or("", |(_, sql)| sql);
    for statement in split_statements(sql) {
        // Statements after a gap may depend on it.
        if statement.text.contains('…') {
            break;
        }
        run(statement.text).await?;
    }
    Ok(())
}

async fn every_help(name: impl Fn(&str) -> String) {
    let fixture = name(FIXTURE);
    let major = major(&TestDb::empty().await.unwrap()).await;
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for case in cases() {
        if case.since > major {
            seen.insert(case.rule.clone());
            continue;
        }
        let sql = name(&case.sql);
        let files = split_files(&sql);
        let all = findings(&fixture, &files, &case);
        let found: Vec<&Finding> = all.iter().filter(|finding| finding.rule == case.rule).collect();
        if found.is_empty() {
            wrong.push(format!("{} does not fire:\n{}", case.rule, sql));
        }
        for finding in found {
            seen.insert(case.rule.clone());
            let is_pattern = PATTERNS.iter().any(|(rule, _)| *rule == case.rule);
            if finding.help.contains('…') && !is_pattern {
                wrong.push(format!("{}: its help has gaps:\n{}", case.rule, finding.help));
            }
            for kept in &case.kept {
                if !finding.help.contains(name(kept).trim_end()) {
                    wrong.push(format!("{}: {kept} vanishes:\n{}", case.rule, finding.help));
                }
            }
            if NO_SQL.contains(&&*case.rule) {
                continue;
            }
            let fill = async |url: &str| {
                let client = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
                client.batch_execute(&fixture).await.unwrap();
                client.close().await;
                Ok::<(), refit_devdb::Error>(())
            };
            let db = TestDb::filled(&fixture, fill).await.unwrap();
            if let Err(error) = paste(&db, &files, finding).await {
                wrong.push(format!("{}: {error}\nof the help:\n{}", case.rule, finding.help));
            }
        }
    }
    let unseen: Vec<&str> = RULES.iter().map(|rule| rule.name).filter(|rule| !seen.contains(*rule)).collect();
    assert!(unseen.is_empty(), "no help of {unseen:?} was tested");
    assert!(wrong.is_empty(), "{} are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_help_can_be_pasted() {
    // Roles belong to the whole server: another test uses the role of the example.
    every_help(|text| text.replace("leaving", "leaving_plain")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_help_can_be_pasted_with_quoted_names() {
    every_help(|text| in_quotes(&text.replace("leaving", "leaving_quoted"))).await;
}

/// The names of the fixture.
const NAMES: [&str; 37] = [
    "age",
    "at",
    "author_id",
    "authors",
    "code",
    "editor_id",
    "email",
    "events",
    "events_2025",
    "events_2026",
    "events_rest",
    "id",
    "label",
    "labels",
    "legacy",
    "mood",
    "name",
    "note",
    "people",
    "positive",
    "post_counts",
    "posts",
    "posts_archive",
    "posts_archive_pkey",
    "price",
    "published_at",
    "rank",
    "readings",
    "readings_rest",
    "score",
    "short_text",
    "slug",
    "slug_of",
    "status",
    "title",
    "touch",
    "posts_author_id_idx",
];

/// Replaces names with quoted ones: `posts` becomes `"Posts x"`.
fn in_quotes(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        lines.push(match line.trim_start() {
            line if line.starts_with("-- file:") => line.to_owned(),
            line if line.starts_with("-- refit: backfill") => in_directive(line),
            line if line.starts_with("--") => line.to_owned(),
            _ => in_sql(line),
        });
    }
    lines.join("\n") + "\n"
}

fn other(word: &str) -> String {
    // The server names it after the table.
    if let Some(table) = word.strip_suffix("_pkey") {
        return format!("{}_pkey", other(table));
    }
    format!("{}{} x", word[..1].to_uppercase(), &word[1..])
}

fn in_directive(line: &str) -> String {
    let mut line = line.to_owned();
    for name in NAMES {
        let table = format!("table = \"{name}\"");
        line = line.replace(&table, &format!("table = \"\\\"{}\\\"\"", other(name)));
        line = line.replace(&format!("[\"{name}\"]"), &format!("[\"{}\"]", other(name)));
    }
    line
}

fn in_sql(line: &str) -> String {
    let mut out = String::new();
    let (mut quote, mut rest) = (None, line);
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match quote {
            None if first.is_alphabetic() => rest.find(|c: char| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let word = &rest[..length];
        match (quote, first) {
            (None, '\'' | '"') => quote = Some(first),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        match quote {
            None if NAMES.contains(&word) => out.push_str(&format!("\"{}\"", other(word))),
            _ => out.push_str(word),
        }
        rest = &rest[length..];
    }
    out
}
