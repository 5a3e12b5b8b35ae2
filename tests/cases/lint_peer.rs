//! Compares the linter with squawk's published rules on the same cases. Each case that only one of the two flags is listed in
//! `lint_cases/disagreements.toml` with the reason; the test fails if the list lacks one, or has one too many.

use std::collections::BTreeMap;
use std::path::Path;

use refit_model::front_matter;
use serde::Deserialize;
use squawk_linter::{Linter, Rule};
use squawk_syntax::SourceFile;
use test_support::LabelledCase;

use super::lint_conformance::{cases, flags};

/// The file of disagreements.
#[derive(Debug, Deserialize)]
struct Listed {
    /// Rules of squawk about style, which flag nearly every file and are left out.
    style: Vec<String>,
    #[serde(flatten)]
    cases: BTreeMap<String, Disagreement>,
}

/// A case that only one of the two flags.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Disagreement {
    /// Squawk's rules that flag it.
    squawk: Vec<String>,
    /// Refit's rules that flag it.
    refit: Vec<String>,
    reason: String,
}

#[test]
fn every_disagreement_has_a_reason() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lint_cases/disagreements.toml");
    let Listed { style, mut cases } = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let style: Vec<Rule> = style.iter().map(|name| name.parse().unwrap()).collect();
    let all = self::cases();
    let shared = all.iter().any(|case| case.name.starts_with("16_"));
    let mut wrong = Vec::new();
    let (mut caught, mut alarms) = (0, 0);
    for case in &all {
        let (squawk, refit) = (peer(case, &style), flags(case));
        caught += usize::from(case.flagged && !squawk.is_empty());
        alarms += usize::from(!case.flagged && !squawk.is_empty());
        let listed = cases.remove(&case.name);
        if squawk.is_empty() == refit.is_empty() {
            wrong.extend(listed.map(|_| format!("{}: listed, but both say the same", case.name)));
            continue;
        }
        match listed {
            Some(listed) if listed.squawk == squawk && listed.refit == refit && !listed.reason.is_empty() => {
            }
            Some(_) => wrong.push(format!("{}: squawk = {squawk:?}, refit = {refit:?} by now", case.name)),
            None => {
                wrong.push(format!("not listed:\n[{}]\nsquawk = {squawk:?}\nrefit = {refit:?}", case.name))
            }
        }
    }
    let hazards = all.iter().filter(|case| case.flagged).count();
    println!("squawk flags {caught} of {hazards}, and {alarms} of {} safe ones", all.len() - hazards);
    // Without the shared cases, their entries are not checked.
    if shared {
        wrong.extend(cases.keys().map(|name| format!("{name}: listed, but there is no such case")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Squawk's rules that flag a case. It reads each file separately, with a setting for those that run in a transaction.
fn peer(case: &LabelledCase, style: &[Rule]) -> Vec<String> {
    let mut rules = Vec::new();
    for (path, text) in &case.files {
        let parsed = SourceFile::parse(text);
        if !parsed.errors().is_empty() {
            rules.push("syntax-error".to_owned());
        }
        let mut linter = Linter::with_rules(&[], style);
        linter.settings.assume_in_transaction = front_matter(path, text).0.transaction;
        linter.settings.pg_version = "14".parse().unwrap();
        rules.extend(linter.lint(&parsed, text).iter().map(|violation| violation.code.to_string()));
    }
    rules.sort();
    rules.dedup();
    rules
}
