//! What `fix` makes of hazards, as files: each text of `tests/fixes` with its snapshot beside it, and the list of the rules
//! whose examples it mends.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be, helpers included")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use refit_lint::{Config, Example, Fixed, Input, RULES, fix, is_mended, lint};

const FIXTURE: &str = include_str!("../src/rules/fixture.sql");

/// The fixture, which may have run, and behind it the files of a text.
fn inputs(sql: &str) -> Vec<Input> {
    let example = Example { safe: false, since: None, claim: None, sql: sql.to_owned() };
    let input = |path: &str, text: &str, reported| Input {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
        named_by_folder: true,
        reported,
    };
    let mut inputs = vec![input("V0__fixture.sql", FIXTURE, false)];
    inputs.extend(example.files().iter().map(|(path, text)| input(path, text, true)));
    inputs
}

/// Mends a text. Whatever comes of it, nothing new is found, and what a fix says is gone is gone.
fn mended(sql: &str, postgres: u32) -> Fixed {
    let config = Config { postgres, ..Config::default() };
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
        writeln!(text, "mended: {}: {}", fix.path, fix.rules.join(", ")).unwrap();
        fix.notes.iter().for_each(|note| writeln!(text, "note: {note}").unwrap());
    }
    for (finding, reason) in &fixed.left {
        writeln!(text, "left: {}:{} {}: {reason}", finding.path, finding.start.line, finding.rule).unwrap();
    }
    text
}

#[test]
fn each_text_becomes_its_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixes");
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        names.extend(name.strip_suffix(".sql").map(str::to_owned));
    }
    names.sort();
    insta::with_settings!({ snapshot_path => "fixes", prepend_module_to_snapshot => false, omit_expression => true }, {
        for name in &names {
            let sql = std::fs::read_to_string(folder.join(format!("{name}.sql"))).unwrap();
            let postgres = if name.ends_with("_18") { 18 } else { 14 };
            insta::assert_snapshot!(name.as_str(), shown(&mended(&sql, postgres)));
        }
    });
    let snapshots = std::fs::read_dir(&folder).unwrap().filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "snap")
    });
    // One a text, and the list of rules.
    assert_eq!(snapshots.count(), names.len() + 1);
}

/// Every unsafe example of a rule that has a fix is mended, whole; of the others nothing is said to be.
#[test]
fn examples_of_rules_with_a_mechanical_form_are_mended() {
    let mut list = String::new();
    for rule in RULES.iter().filter(|rule| rule.severity.is_some()) {
        for example in rule.examples().iter().filter(|example| !example.safe) {
            let fixed = mended(&example.sql, 14);
            let what = match fixed.left.as_slice() {
                [] => {
                    format!("mended, {} files", fixed.fixes.iter().map(|fix| fix.files.len()).sum::<usize>())
                }
                left => left.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>().join("; "),
            };
            assert!(fixed.left.is_empty() || !is_mended(rule.name), "{}: {}\n{what}", rule.name, example.sql);
            writeln!(list, "{}: {what}", rule.name).unwrap();
        }
    }
    insta::with_settings!({ snapshot_path => "fixes", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("rules", list);
    });
}
