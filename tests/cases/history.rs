//! Histories that do not match the set: each case has its own error, with what to do.

use refit::model::{OutOfOrder, Policies, Policy};
use refit::{Error, Refusal};
use refit_devdb::TestDb;

use crate::support::{applied, execute, exists, migrator};

const ONE: (&str, &str) = ("V1__a.sql", "CREATE TABLE a (id int);");
const TWO: (&str, &str) = ("V2__b.sql", "CREATE TABLE b (id int);");
const THREE: (&str, &str) = ("V3__c.sql", "CREATE TABLE c (id int);");

fn refusal(error: Error) -> Refusal {
    match error {
        Error::Refused(mut refusals) if refusals.len() == 1 => refusals.remove(0),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_edited_file_is_refused_with_a_hint() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[ONE]).run(db.url()).await.unwrap();
    let edited = [("V1__a.sql", "CREATE TABLE a (id bigint);"), TWO];
    let error = migrator(&edited).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("cargo xtask repair"), "{error}");
    assert!(matches!(refusal(error), Refusal::Changed { version: 1, .. }));
    assert!(!exists(&db, "b").await);
    let tolerant = Policies { changed: Policy::Warn, ..Policies::default() };
    let report = migrator(&edited).policies(tolerant).run(db.url()).await.unwrap();
    assert_eq!((report.warnings.len(), report.steps.len()), (1, 1));
}

#[tokio::test]
async fn a_missing_file_is_refused() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[ONE, TWO]).run(db.url()).await.unwrap();
    let error = migrator(&[ONE, THREE]).run(db.url()).await.unwrap_err();
    assert!(matches!(refusal(error), Refusal::Missing { version: 2, .. }));
    assert!(!exists(&db, "c").await);
}

#[tokio::test]
async fn a_late_file_is_refused_or_applied_by_policy() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[ONE, THREE]).run(db.url()).await.unwrap();
    let error = migrator(&[ONE, TWO, THREE]).run(db.url()).await.unwrap_err();
    assert!(matches!(refusal(error), Refusal::OutOfOrder { version: 2, newest: 3, .. }));
    let tolerant = Policies { out_of_order: OutOfOrder::Warn, ..Policies::default() };
    let report = migrator(&[ONE, TWO, THREE]).policies(tolerant).run(db.url()).await.unwrap();
    let [warning] = &report.warnings[..] else { panic!("{report}") };
    assert!(warning.contains("is late") && !warning.contains("out_of_order"), "{warning}");
    assert_eq!(applied(&db).await, "1,2,3");
}

#[tokio::test]
async fn a_database_that_is_ahead_is_accepted_with_a_warning() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[ONE, TWO]).run(db.url()).await.unwrap();
    let report = migrator(&[ONE]).run(db.url()).await.unwrap();
    let warning = &report.warnings[0];
    assert!(warning.contains("the database is ahead") && !warning.contains("policy"), "{warning}");
    let strict = Policies { ahead: Policy::Refuse, ..Policies::default() };
    let error = migrator(&[ONE]).policies(strict).run(db.url()).await.unwrap_err();
    assert!(matches!(refusal(error), Refusal::Ahead { newest: 2, known: 1 }));
}

#[tokio::test]
async fn a_table_that_is_not_a_history_is_distinguished() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[ONE]).run(db.url()).await.unwrap();
    execute(&db, "UPDATE refinery_schema_history SET checksum = 'abc'").await;
    let error = migrator(&[ONE]).run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::History(_)) && error.message().contains("adopt"), "{error}");
}

/// Replaces the history with a view that fails like a missing table for the first `reads` reads.
async fn hide_history(db: &TestDb, reads: u32) {
    let sql = format!(
        "ALTER TABLE refinery_schema_history RENAME TO hidden; CREATE SEQUENCE reads; \
         CREATE FUNCTION missing() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('reads') <= {reads} THEN RAISE undefined_table; END IF; RETURN true; END $$; \
         CREATE VIEW refinery_schema_history AS SELECT hidden.* FROM hidden, missing() AS there"
    );
    execute(db, &sql).await;
}

#[tokio::test]
async fn a_history_that_another_run_creates_during_the_read_is_read_again() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[ONE]).run(db.url()).await.unwrap();
    // Missing at the first read, and found by the search after it: this happens if several replicas boot at once.
    hide_history(&db, 1).await;
    assert_eq!(migrator(&[ONE]).run(db.url()).await.unwrap().version, Some(1));
    execute(
        &db,
        "DROP VIEW refinery_schema_history; DROP SEQUENCE reads; DROP FUNCTION missing; \
                  ALTER TABLE hidden RENAME TO refinery_schema_history",
    )
    .await;
    hide_history(&db, 1_000).await;
    let error = migrator(&[ONE]).run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::History(_)), "{error}");
}

/// The server's own hash, by which a boot recognises its history, on texts of every length up to a few blocks of the hash.
#[tokio::test]
async fn the_hash_of_a_text_is_the_server_s() {
    let db = TestDb::empty().await.unwrap();
    let text = "7133495778627144661äöü☃x".repeat(3);
    let client = db.connect().await.unwrap();
    for (end, _) in text.char_indices() {
        let sql = "SELECT hashtextextended($1 COLLATE \"C\", 0)";
        let hash: i64 = client.query_one(sql, &[&&text[..end]]).await.unwrap().get(0);
        assert_eq!(hash, refit_model::server_hash(&text[..end]), "{}", &text[..end]);
    }
}
