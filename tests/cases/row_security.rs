//! Row-level security never makes a backfill look complete, or a history look empty.

use refit::{Backfills, Error, Rollback};
use refit_devdb::{Server, ServerOptions};

use crate::support::{execute_at, migrator, server, value_at};

const TOKEN: (&str, &str) = (
    "V1__token.sql",
    "CREATE TABLE token (id int PRIMARY KEY, owner name, n int);\n\
     INSERT INTO token SELECT g, 'user' || g % 10 FROM generate_series(1, 1000) g;",
);
const FILL: (&str, &str) = (
    "V2__fill.sql",
    "-- refit: backfill = { table = \"token\", key = [\"id\"], undo = [\"n\"] }\n\
     UPDATE token SET n = id WHERE id > $1 AND id <= $2 AND n IS NULL;",
);
const AFTER: (&str, &str) = ("V3__after.sql", "-- refit: after = [\"V2\"]\nCREATE TABLE after_fill ();");
const AFTER_DOWN: (&str, &str) = ("V3__after.down.sql", "DROP TABLE after_fill;");
const FILES: [(&str, &str); 4] = [TOKEN, FILL, AFTER, AFTER_DOWN];

const POLICY: &str = "ALTER TABLE token ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; \
                      CREATE POLICY own ON token USING (owner = 'user1')";

/// A server on which `svc` owns the database; returns the administrator's URL and that of `svc`.
async fn service() -> (Server, String, String) {
    let server = server(ServerOptions::for_tests()).await;
    let admin = server.url("postgres");
    execute_at(&admin, "CREATE ROLE svc LOGIN; ALTER DATABASE postgres OWNER TO svc").await;
    let own = admin.replace("postgres@", "svc@");
    (server, admin, own)
}

#[tokio::test]
async fn a_backfill_with_hidden_rows_is_refused() {
    let (_server, admin, own) = service().await;
    migrator(&FILES).to(1).run(&own).await.unwrap();
    execute_at(&admin, POLICY).await;
    let inline = migrator(&FILES).backfills(Backfills::Inline);
    let error = inline.run(&own).await.unwrap_err().message();
    assert!(error.contains("row-level security"), "{error}");
    let seen = "SELECT count(n) || ' ' || (to_regclass('after_fill') IS NULL) FROM token";
    assert_eq!(value_at::<String>(&admin, seen).await, "0 true");
    // A role that policies do not apply to completes it.
    inline.run(&admin).await.unwrap();
    assert_eq!(value_at::<String>(&admin, seen).await, "1000 false");
}

#[tokio::test]
async fn a_rollback_does_not_treat_hidden_rows_as_deleted() {
    let (_server, admin, own) = service().await;
    let inline = migrator(&FILES).backfills(Backfills::Inline);
    inline.run(&own).await.unwrap();
    execute_at(&admin, POLICY).await;
    let rollback = Rollback { to: 1, ..Default::default() };
    inline.rollback(&own, &rollback).await.unwrap_err();
    let kept = "SELECT count(n) || ' ' || (SELECT count(*) FROM refit.backfill_undo_1) FROM token";
    assert_eq!(value_at::<String>(&admin, kept).await, "1000 1000");
    inline.rollback(&admin, &rollback).await.unwrap();
    assert_eq!(value_at::<String>(&admin, "SELECT count(n) || '' FROM token").await, "0");
}

#[tokio::test]
async fn inserted_rows_that_are_hidden_are_neither_lost_nor_forgotten() {
    const FORMS: (&str, &str) = (
        "V1__forms.sql",
        "CREATE TABLE token (id int PRIMARY KEY); INSERT INTO token SELECT generate_series(1, 1000); \
         CREATE TABLE forms (token int PRIMARY KEY, owner name);",
    );
    const FILL: (&str, &str) = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"token\", key = [\"id\"], undo = { inserted = \"forms\" } }\n\
         INSERT INTO forms SELECT id, 'user' || id % 10 FROM token WHERE id > $1 AND id <= $2 ON CONFLICT DO NOTHING;",
    );
    let files = [FORMS, FILL];
    let policy = POLICY.replace("token", "forms");
    let count = "SELECT count(*) FROM forms";
    let (_server, admin, own) = service().await;
    migrator(&files).to(1).run(&own).await.unwrap();
    execute_at(&admin, &policy).await;
    let inline = migrator(&files).backfills(Backfills::Inline);
    let error = inline.run(&own).await.unwrap_err().message();
    assert!(error.contains("row-level security"), "{error}");
    assert_eq!(value_at::<i64>(&admin, count).await, 0);
    inline.run(&admin).await.unwrap();
    assert_eq!(value_at::<i64>(&admin, count).await, 1_000);
    // Policies of the table that the rows are in hold for the rollback too.
    let rollback = Rollback { to: 1, ..Default::default() };
    inline.rollback(&own, &rollback).await.unwrap_err();
    assert_eq!(value_at::<i64>(&admin, count).await, 1_000);
    inline.rollback(&admin, &rollback).await.unwrap();
    assert_eq!(value_at::<i64>(&admin, count).await, 0);
}

#[tokio::test]
async fn a_history_with_hidden_rows_is_not_treated_as_empty() {
    let (_server, admin, own) = service().await;
    migrator(&[TOKEN]).run(&own).await.unwrap();
    execute_at(
        &admin,
        "ALTER TABLE refinery_schema_history ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    )
    .await;
    let error = migrator(&[TOKEN]).run(&own).await.unwrap_err();
    assert!(matches!(error, Error::RowSecurity { .. }), "{error}");
    let next = ("V4__next.sql", "CREATE TABLE next ();");
    let error = migrator(&[TOKEN, next]).run(&own).await.unwrap_err();
    assert!(matches!(error, Error::RowSecurity { .. }), "{error}");
    assert!(!value_at::<bool>(&admin, "SELECT to_regclass('next') IS NOT NULL").await);
    // The run succeeds after following the message.
    execute_at(&admin, "ALTER ROLE svc BYPASSRLS").await;
    migrator(&[TOKEN, next]).run(&own).await.unwrap();
}
