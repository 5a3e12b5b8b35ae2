//! The whole life of the scenario `content-versions`, with a window that closes, a kill, and both rollbacks. Its runbook is true.

use refit_devdb::TestDb;
use refit_scenarios::content_versions::{Options, play, runbook};

use crate::support::value;

#[tokio::test]
async fn a_cms_becomes_multi_site_and_goes_back() {
    let db = TestDb::empty().await.unwrap();
    let worker = vec![env!("CARGO_BIN_EXE_scenario-worker").into()];
    let options = Options::new(db.url(), worker, 60_000);
    let outcome = Box::pin(play(&options, &|what| println!("{what}"))).await.unwrap();
    let wrong: Vec<_> = outcome.facts.iter().filter(|fact| !fact.holds).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(outcome.facts.len() > 25, "{:#?}", outcome.facts);

    let unassigned = "SELECT count(*) FROM content_versions WHERE site_id IS NULL OR locale IS NULL";
    assert_eq!(value::<i64>(&db, unassigned).await, 0);
    assert!(value::<i64>(&db, "SELECT count(*) FROM content_versions").await >= 60_000);
    let versions: i64 = outcome.rules.iter().map(|rule| i64::try_from(rule.versions).unwrap()).sum();
    assert!(versions >= 60_000 && outcome.orphans > 10 && outcome.batches > 6, "{outcome:#?}");
    assert_eq!(outcome.steps.len(), 11, "{:#?}", outcome.steps);

    let written = runbook(&outcome);
    let committed = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/systems/content-versions.md"),
    );
    let command = "cargo xtask bench scenario content-versions --runbook docs/systems/content-versions.md";
    assert_eq!(without_figures(&committed.unwrap()), without_figures(&written), "write it again: {command}");
}

/// A text with its numbers replaced.
fn without_figures(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            '.' | ',' if out.ends_with('#') => {}
            other => out.push(other),
        }
    }
    out
}
