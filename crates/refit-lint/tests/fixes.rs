//! What `fix` makes of hazards, as files: each text of `tests/fixes` with its snapshot beside it, and the list of the rules
//! whose examples it fixes.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be, helpers included")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use refit_lint::{Config, Fixed, Input, RULES, example_values, fix, is_fixable, lint, split_files};
use refit_model::{Statement, StatementKind, split_statements};

const FIXTURE: &str = include_str!("../src/rules/fixture.sql");

/// The fixture, which may have run, and behind it the files of a text.
fn inputs(sql: &str) -> Vec<Input> {
    let mut inputs = vec![Input::of_folder("V0__fixture.sql", FIXTURE, false)];
    inputs.extend(
        split_files(sql).iter().map(|(path, text)| Input::of_folder(path.as_str(), text.as_str(), true)),
    );
    inputs
}

/// Fixes a text. Whatever comes of it, nothing new is found, and what a fix says is gone is gone.
fn fixed(sql: &str, postgres: u32) -> Fixed {
    let variables = Some(example_values());
    let config = Config { postgres: Some(postgres), variables, ..Config::default() };
    let inputs = inputs(sql);
    let protected = BTreeSet::from(["V0__fixture.sql".to_owned()]);
    let fixed = fix(&inputs, &config, &protected);
    let (before, after) = (lint(&inputs, &config).findings, lint(&fixed.inputs, &config).findings);
    let gone: usize = fixed.fixes.iter().map(|fix| fix.rules.len()).sum();
    assert_eq!(after.len(), fixed.left.len(), "{sql}");
    assert!(before.len() >= after.len() + gone.min(1), "{sql}");
    // Once more changes nothing.
    let again = fix(&fixed.inputs, &config, &protected);
    assert_eq!(again.changes, [], "{sql}");
    fixed
}

fn shown(fixed: &Fixed) -> String {
    let mut text = String::new();
    for change in &fixed.changes {
        let from = change.from.as_deref().filter(|from| *from != change.to);
        let from = from.map_or(String::new(), |from| format!(" (was {from})"));
        write!(text, "==> {}{from}\n{}", change.to, String::from_utf8_lossy(&change.after)).unwrap();
    }
    for fix in &fixed.fixes {
        writeln!(text, "fixed: {}: {}", fix.path, fix.rules.join(", ")).unwrap();
        fix.notes.iter().for_each(|note| writeln!(text, "note: {note}").unwrap());
    }
    for (finding, reason) in &fixed.left {
        writeln!(text, "left: {}:{} {}: {reason}", finding.path, finding.start.line, finding.rule).unwrap();
    }
    text
}

/// The texts, in `tests/fixes`. One that ends in `_18` is for PostgreSQL 18.
const TEXTS: [&str; 14] = [
    "constraints_of_one_file",
    "contract_unexplained",
    "index_among_others",
    "index_of_expression",
    "left_alone",
    "long_file",
    "many_at_once",
    "outside_a_transaction",
    "search_path",
    "set_not_null_18",
    "suppressions",
    "timeouts",
    "timestamps",
    "two_transactions",
];

#[test]
fn each_text_becomes_its_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixes");
    insta::with_settings!({ snapshot_path => "fixes", prepend_module_to_snapshot => false, omit_expression => true }, {
        for name in TEXTS {
            let sql = std::fs::read_to_string(folder.join(format!("{name}.sql"))).unwrap();
            let postgres = if name.ends_with("_18") { 18 } else { 14 };
            insta::assert_snapshot!(name, shown(&fixed(&sql, postgres)));
        }
    });
    // Two for each text, and the list of rules.
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2 * TEXTS.len() + 1);
}

/// Whatever is fixed, each statement without a finding is still there, in its place among the others.
#[test]
fn no_statement_is_lost() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/lint_cases");
    let mut cases: Vec<String> =
        RULES.iter().flat_map(|rule| rule.examples()).map(|example| example.sql).collect();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    cases.extend(files.map(|path| std::fs::read_to_string(path).unwrap()));
    // All of them once more behind one another, as one file.
    let whole: Vec<String> =
        cases.chunks(5).map(|chunk| chunk.join("\n;\n").replace("-- file: ", "-- ")).collect();
    for sql in cases.iter().chain(&whole) {
        let before = lint(&inputs(sql), &Config::default()).findings;
        let fixed = fixed(sql, 14);
        let kept: Vec<String> = inputs(sql)
            .iter()
            .flat_map(|input| {
                let text = input.text();
                let fine = |statement: &Statement<'_>| {
                    let end = statement.offset + statement.text.len();
                    let inside = |finding: &&refit_lint::Finding| {
                        let start = finding.span.start as usize;
                        finding.path == input.path && statement.offset <= start && start < end
                    };
                    statement.kind != StatementKind::TransactionControl
                        && before.iter().find(inside).is_none()
                };
                let statements = split_statements(&text).into_iter().filter(fine);
                statements.map(|statement| statement.text.to_owned()).collect::<Vec<_>>()
            })
            .collect();
        let texts: Vec<String> = fixed.inputs.iter().map(Input::text).collect();
        let mut found = texts.iter().flat_map(|text| split_statements(text)).map(|statement| statement.text);
        for statement in &kept {
            assert!(found.any(|text| text == statement), "{statement}\nis not in\n{}", shown(&fixed));
        }
    }
}

/// Texts that end anywhere, with a character from elsewhere in them: fixed or left alone, never a panic.
#[test]
fn broken_texts_are_left_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/lint_cases");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<String> = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    texts.sort();
    let (config, protected) = (Config::default(), BTreeSet::new());
    for (at, text) in texts.iter().enumerate() {
        let cut = text.floor_char_boundary(text.len() * (at % 7 + 1) / 8);
        let (head, tail) = text.split_at(cut);
        for text in [
            head.to_owned(),
            format!("{head}ü\"{tail}"),
            format!("{head};\r\n--{tail}"),
            format!("{head}\0{tail}"),
        ] {
            let fixed = fix(&inputs(&text), &config, &protected);
            assert!(fixed.inputs.len() >= 2, "{text}");
        }
    }
}

/// Every unsafe example of a rule that has a fix is fixed, whole; of the others nothing is said to be.
#[test]
fn examples_of_rules_with_a_mechanical_form_are_fixed() {
    let mut list = String::new();
    for rule in RULES.iter().filter(|rule| rule.severity.is_some()) {
        for example in rule.examples().iter().filter(|example| !example.safe) {
            let fixed = fixed(&example.sql, 14);
            let what = match fixed.left.as_slice() {
                [] => {
                    format!("fixed, {} files", fixed.fixes.iter().map(|fix| fix.files.len()).sum::<usize>())
                }
                left => left.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>().join("; "),
            };
            assert!(
                fixed.left.is_empty() || !is_fixable(rule.name),
                "{}: {}\n{what}",
                rule.name,
                example.sql
            );
            writeln!(list, "{}: {what}", rule.name).unwrap();
        }
    }
    insta::with_settings!({ snapshot_path => "fixes", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("rules", list);
    });
}
