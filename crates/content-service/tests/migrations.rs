//! The migrations folder: companion files exist and are correct, and seeds are idempotent.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in a helper")]

use content_service::MIGRATIONS;
use refit_devdb::TestDb;
use tokio_postgres::{Client, SimpleQueryMessage};

async fn rows(client: &Client, sql: &str) -> usize {
    let messages = client.simple_query(sql).await.unwrap();
    messages.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count()
}

#[tokio::test]
async fn checks_hold_on_an_empty_and_on_a_seeded_database() {
    let db = TestDb::new(&MIGRATIONS).await.unwrap();
    let client = db.connect().await.unwrap();
    let set = MIGRATIONS.set().unwrap();
    assert!(set.migrations().iter().all(|migration| !migration.checks.is_empty()));
    let migrator = refit::Migrator::new(&MIGRATIONS);
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let results = migrator.check(&client, &refit::CheckSelection::default()).await.unwrap();
        let wrong = results.iter().find(|result| result.verdict != refit::Verdict::Passed);
        assert!(wrong.is_none() && results.len() >= set.migrations().len(), "{wrong:?}");
        for seed in set.seeds() {
            client.batch_execute(&seed.sql).await.unwrap();
        }
        sizes.push(rows(&client, "SELECT FROM content_versions").await);
    }
    assert_eq!(sizes, [5, 5, 5]);
}

#[tokio::test]
async fn every_migration_can_be_undone() {
    let db = TestDb::new(&MIGRATIONS).await.unwrap();
    let client = db.connect().await.unwrap();
    let mine = "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace
                AND relname <> 'refinery_schema_history' AND relname <> 'refinery_schema_history_pkey'";
    assert!(rows(&client, mine).await > 0);
    for migration in MIGRATIONS.set().unwrap().migrations().iter().rev() {
        let down = migration.down.as_ref().unwrap_or_else(|| panic!("{} has no undo", migration.path));
        client.batch_execute(&down.text).await.unwrap();
    }
    assert_eq!(rows(&client, mine).await, 0, "the undos leave nothing behind");
}

#[tokio::test]
async fn the_binary_embeds_the_snapshot_and_detects_drift() {
    let db = TestDb::new(&MIGRATIONS).await.unwrap();
    let client = db.connect().await.unwrap();
    let migrator = refit::Migrator::new(&MIGRATIONS).drift(refit::Drift::Refuse, refit_catalog::differences);
    migrator.apply(&client).await.unwrap();
    client.batch_execute("DROP INDEX content_versions_created_at_idx").await.unwrap();
    let error = migrator.apply(&client).await.unwrap_err().to_string();
    assert!(error.contains("- index content_versions_created_at_idx of public.content_versions"), "{error}");
}
