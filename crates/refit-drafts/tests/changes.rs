//! Every single change is drafted and leads to exactly the schema, in both directions, or it is listed.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be, helpers included")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use refit_catalog::{Catalog, Delta, ReadOptions};
use refit_devdb::TestDb;
use refit_drafts::{candidates, statements, try_out};
use test_support::schema_changes::{based, cases, run};

async fn read(db: &TestDb) -> Catalog {
    Catalog::read(&db.connect().await.unwrap(), &ReadOptions::default()).await.unwrap()
}

/// What is left between a database and a schema once the drafted statements have run in it.
async fn left(db: &TestDb, to: &Catalog, version: u32) -> (String, String) {
    let client = db.connect().await.unwrap();
    let mut before = read(db).await;
    let mut said = String::new();
    if let Some(rename) = candidates(&before, to).first() {
        for statement in rename.statements() {
            let refused = client.batch_execute(&statement.sql).await.err();
            writeln!(
                said,
                "  {};{}",
                statement.sql,
                refused.map(|error| format!(" {error:?}")).unwrap_or_default()
            )
            .unwrap();
        }
        before = read(db).await;
    }
    let tried = try_out(&client, statements(&before, to, version)).await.unwrap();
    for statement in &tried.statements {
        writeln!(said, "  {};", statement.sql).unwrap();
    }
    for refused in &tried.failed {
        writeln!(said, "  failed: {}: {}", refused.statement.sql, refused.message).unwrap();
    }
    (Delta::between(&read(db).await, to).text(), said)
}

/// The number of changes, and those that are not drafted, in both directions.
async fn changes(folder: &Path) -> (usize, Vec<String>) {
    let base = based(folder).await;
    let version = test_support::major(&base).await;
    let before = read(&base).await;
    let (mut count, mut not_drafted) = (0, Vec::new());
    for case in cases(&folder.join("changes.txt")) {
        let target = based(folder).await;
        if case.since > version || run(&target, &case.sql).await.is_err() {
            continue;
        }
        let after = read(&target).await;
        let db = based(folder).await;
        for (way, db, to) in [("", &db, &after), (" back", &target, &before)] {
            count += 1;
            let (left, said) = left(db, to, version).await;
            if std::env::var("SHOW").is_ok() {
                println!("== {}{way}\n{said}{left}", case.name);
            }
            if !left.is_empty() {
                not_drafted.push(format!("{}{way}", case.name));
            }
        }
    }
    (count, not_drafted)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_given_changes_are_drafted() {
    if let Some(folder) = test_support::conformance("schema") {
        let (count, not_drafted) = changes(&folder).await;
        assert!(
            count > 100 && not_drafted.len() * 10 <= count,
            "{} of {count}: {not_drafted:#?}",
            not_drafted.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn further_changes_are_drafted() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../refit-catalog/tests/data");
    let (count, not_drafted) = changes(&folder).await;
    assert!(not_drafted.len() * 5 <= count, "{} of {count}: {not_drafted:#?}", not_drafted.len());
}
