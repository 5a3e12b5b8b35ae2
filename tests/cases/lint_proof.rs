//! Tests every rule of the linter on a server: the unsafe example of its page triggers exactly this rule and the safe one none, both
//! execute, and the server does what the page claims (lock, rewrite, scan, error). The linter's predictions for each statement are
//! compared with the server too.
//!
//! `REFIT_RULES=unbatched-update,set-not-null-scan` tests only these rules.

mod observe;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use refit::model::SqlText;
use refit_devdb::TestDb;
use refit_lint::{Config, Example, Input, Level, LockMode, RULES, Rule, example_values, lint, predict};
use refit_rehearsal::{mismatches, runs};
use serde::Deserialize;

use crate::support::major;
use observe::{Observed, run};

const FIXTURE: &str = include_str!("../../crates/refit-lint/src/rules/fixture.sql");
const ROWS: &str = include_str!("../../crates/refit-lint/src/rules/fixture_rows.sql");

/// The claims of a page about its unsafe example.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// The strongest lock on `table`.
    lock: Option<String>,
    table: Option<String>,
    rewrite: Option<bool>,
    scan: Option<bool>,
    /// The SQLSTATE of the error.
    error: Option<String>,
    /// The first major version for which this holds.
    since: Option<u32>,
    /// The last major version for which it holds.
    until: Option<u32>,
}

impl Claim {
    fn holds_on(&self, major: u32) -> bool {
        self.since.is_none_or(|since| major >= since) && self.until.is_none_or(|until| major <= until)
    }
}

#[test]
fn each_example_fires_its_rule_and_no_other() {
    let mut wrong = Vec::new();
    for rule in rules() {
        let examples = rule.examples();
        for safe in [false, true] {
            if !examples.iter().any(|example| example.safe == safe) {
                wrong.push(format!("{}: no {} example", rule.name, kind(safe)));
            }
        }
        for example in &examples {
            let fired = fired(rule, example);
            let expected = if example.safe { BTreeSet::new() } else { BTreeSet::from([rule.name]) };
            if fired != expected {
                let kind = kind(example.safe);
                wrong.push(format!("{}: the {kind} example fires {fired:?}:\n{}", rule.name, example.sql));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_claim_holds_on_a_server() {
    let queue: Mutex<Vec<&Rule>> = Mutex::new(rules().into_iter().rev().collect());
    let (first, second) = tokio::join!(prove_all(&queue), prove_all(&queue));
    let mut wrong = [first, second].concat();
    wrong.sort();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn rules() -> Vec<&'static Rule> {
    let only = std::env::var("REFIT_RULES").unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|name| !name.is_empty()).collect();
    RULES.iter().filter(|rule| only.is_empty() || only.contains(&rule.name)).collect()
}

fn kind(safe: bool) -> &'static str {
    if safe { "safe" } else { "unsafe" }
}

/// The rules that an example triggers. A rule that is off by default is enabled.
fn fired(rule: &Rule, example: &Example) -> BTreeSet<&'static str> {
    let levels = BTreeMap::from([(rule.name.to_owned(), Level::Deny)]);
    let levels = if rule.severity.is_none() { levels } else { BTreeMap::new() };
    let postgres = Some(example.since.unwrap_or(14));
    let config = Config { levels, postgres, variables: Some(example_values()), ..Config::default() };
    let outcome = lint(&inputs(&example.files()), &config);
    outcome.findings.iter().map(|finding| finding.rule).collect()
}

/// A file as the server receives it.
fn with_values((path, text): (String, String)) -> (String, String) {
    let sent = SqlText::from(text).with_values(&path, &example_values()).unwrap();
    (path, sent.to_string())
}

/// The fixture, without reporting its findings, and the files after it.
fn inputs(files: &[(String, String)]) -> Vec<Input> {
    let mut inputs = vec![Input::of_folder("V0__fixture.sql", FIXTURE, false)];
    inputs.extend(files.iter().map(|(path, text)| Input::of_folder(path.as_str(), text.as_str(), true)));
    inputs
}

/// Takes rules from the queue until it is empty; returns their errors.
async fn prove_all(queue: &Mutex<Vec<&Rule>>) -> Vec<String> {
    // Examples that are one transaction are rolled back, so they can share a database.
    let shared = database().await;
    let major = major(&shared).await;
    let mut wrong = Vec::new();
    loop {
        let rule = queue.lock().unwrap().pop();
        let Some(rule) = rule else { return wrong };
        let examples = rule.examples();
        for example in examples {
            if example.since.is_some_and(|since| major < since) {
                continue;
            }
            let complaints = prove(&example, &shared, major).await;
            let kind = kind(example.safe);
            wrong.extend(complaints.iter().map(|complaint| format!("{}, {kind}: {complaint}", rule.name)));
        }
    }
}

async fn database() -> TestDb {
    let fill = async |url: &str| {
        let client = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
        client.batch_execute(FIXTURE).await.unwrap();
        client.batch_execute(ROWS).await.unwrap();
        client.batch_execute("VACUUM ANALYZE").await.unwrap();
        client.close().await;
        Ok::<(), refit_devdb::Error>(())
    };
    TestDb::filled(&format!("{FIXTURE}{ROWS}"), fill).await.unwrap()
}

fn claim_of(example: &Example) -> Result<Claim, toml::de::Error> {
    toml::from_str(example.claim.as_deref().unwrap_or_default())
}

/// Runs an example; returns how the server differs from the claim and from the prediction.
async fn prove(example: &Example, shared: &TestDb, major: u32) -> Vec<String> {
    let claim = match claim_of(example) {
        Ok(claim) => claim,
        Err(error) => return vec![format!("its claim does not parse: {error}")],
    };
    let files: Vec<(String, String)> = example.files().into_iter().map(with_values).collect();
    let own;
    let (url, undo) = if observe::is_one_transaction(&files) {
        (shared.url(), true)
    } else {
        own = database().await;
        (own.url(), false)
    };
    let observed = run(url, &files, undo).await;
    let mut wrong = Vec::new();
    match (&observed.error, &claim.error) {
        (Some((code, _)), Some(claimed)) if code == claimed => return wrong,
        (Some((code, message)), _) => {
            wrong.push(format!("it fails: {code} {message}\n{}", example.sql));
            return wrong;
        }
        (None, Some(claimed)) if claim.holds_on(major) => {
            wrong.push(format!("it does not fail with {claimed}"));
        }
        (None, _) => {}
    }
    if claim.holds_on(major) {
        compare_with_claim(&claim, &observed, &mut wrong);
    }
    compare_with_prediction(&files, &observed, major, &mut wrong);
    wrong
}

fn compare_with_claim(claim: &Claim, observed: &Observed, wrong: &mut Vec<String>) {
    let table = claim.table.as_deref().unwrap_or_default();
    if table.is_empty() && (claim.lock.is_some() || claim.rewrite.is_some() || claim.scan.is_some()) {
        wrong.push("its claim names no table".to_owned());
        return;
    }
    if let Some(lock) = &claim.lock {
        let seen = observed.locks.get(table).map_or("none".to_owned(), LockMode::to_string);
        if seen != *lock {
            wrong.push(format!("claimed lock on {table}: {lock}; seen: {seen}"));
        }
    }
    let facts = [
        ("rewrite", claim.rewrite, observed.rewritten.contains(table)),
        ("scan", claim.scan, observed.scanned.contains(table)),
    ];
    for (what, claimed, seen) in facts {
        if claimed.is_some_and(|claimed| claimed != seen) {
            wrong.push(format!("claimed {what} of {table}: {}; seen: {seen}", !seen));
        }
    }
}

/// Compares the linter's predictions for each statement with what the server did.
fn compare_with_prediction(
    files: &[(String, String)],
    observed: &Observed,
    major: u32,
    wrong: &mut Vec<String>,
) {
    let inputs: Vec<Input> =
        inputs(files).into_iter().filter(|input| input.path.ends_with(".sql") && runs(&input.path)).collect();
    let predicted = predict(&inputs, major);
    wrong.extend(mismatches(&observed.trace, &predicted).iter().map(|one| one.to_string()));
}
