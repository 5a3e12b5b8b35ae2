//! What the tests of the rules share: they lint texts and return the names of the rules that fire.

use std::collections::BTreeMap;

use crate::lint::{Config, Input, Level, lint};
use crate::rule::{example_values, split_files};
use crate::rules::RULES;

/// The rules that fire on a text, each once, by name. A line `-- file: NAME` begins another file; the fixture is linted
/// before all of them. The rule `also` is enabled if it is off by default.
pub(crate) fn fired(sql: &str, also: &str) -> Vec<&'static str> {
    fired_on(14, sql, also)
}

/// Like `fired`, with the major version of the oldest server.
fn fired_on(postgres: u32, sql: &str, also: &str) -> Vec<&'static str> {
    let mut inputs = vec![Input::of_folder("V0__fixture.sql", include_str!("fixture.sql"), false)];
    inputs.extend(
        split_files(sql).iter().map(|(path, text)| Input::of_folder(path.as_str(), text.as_str(), true)),
    );
    let off = RULES.iter().find(|rule| rule.name == also && rule.severity.is_none());
    let levels: BTreeMap<String, Level> =
        off.iter().map(|rule| (rule.name.to_owned(), Level::Warn)).collect();
    let variables = Some(example_values());
    let outcome = lint(&inputs, &Config { levels, postgres: Some(postgres), variables, ..Config::default() });
    let mut names: Vec<&str> = outcome.findings.iter().map(|finding| finding.rule).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Asserts that a rule fires on each of the texts.
#[track_caller]
pub(crate) fn fires(rule: &str, texts: &[&str]) {
    for sql in texts {
        assert!(fired(sql, rule).contains(&rule), "{rule} does not fire on:\n{sql}");
    }
}

/// Asserts that a rule does not fire on any of the texts; other rules may.
#[track_caller]
pub(crate) fn silent(rule: &str, texts: &[&str]) {
    for sql in texts {
        assert!(!fired(sql, rule).contains(&rule), "{rule} fires on:\n{sql}");
    }
}

/// Checks the examples of every page without a server: on an unsafe example only this rule fires, on a safe one none
/// does.
#[test]
fn examples_of_pages_behave_as_stated() {
    for rule in RULES {
        let examples = rule.examples();
        assert!(examples.iter().any(|example| !example.safe), "{} has no unsafe example", rule.name);
        assert!(examples.iter().any(|example| example.safe), "{} has no safe example", rule.name);
        for example in examples {
            let expected = if example.safe { vec![] } else { vec![rule.name] };
            let fired = fired_on(example.since.unwrap_or(14), &example.sql, rule.name);
            assert_eq!(fired, expected, "{}:\n{}", rule.name, example.sql);
        }
    }
}
