//! Helpers of the cases, in addition to those that the tests of other members use too.

pub(crate) mod boot;
pub(crate) mod certificates;
pub(crate) mod clock;
pub(crate) mod gate;
pub(crate) mod outside;
pub(crate) mod proxy;
pub(crate) mod scratch;

use refit::Migrator;
use refit_devdb::TestDb;
pub(crate) use test_support::{
    execute, execute_at, folder, major, pgbouncer, server, set, until, value, value_at,
};

/// A migrator over files written inline.
pub(crate) fn migrator(files: &[(&str, &str)]) -> Migrator {
    Migrator::new(set(files))
}

/// The state of the history that the session's search path finds.
pub(crate) async fn state(client: &tokio_postgres::Client) -> refit::State {
    migrator(&[]).state(client).await.unwrap()
}

/// Advisory locks that any session holds on the database.
pub(crate) async fn advisory_locks(db: &TestDb) -> i64 {
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    value(db, sql).await
}

/// The versions in the history, as text: `1,2,3`.
pub(crate) async fn applied(db: &TestDb) -> String {
    value(
        db,
        "SELECT coalesce(string_agg(version::text, ',' ORDER BY version), '') FROM refinery_schema_history",
    )
    .await
}

pub(crate) async fn exists(db: &TestDb, relation: &str) -> bool {
    value(db, &format!("SELECT to_regclass('{relation}') IS NOT NULL")).await
}
