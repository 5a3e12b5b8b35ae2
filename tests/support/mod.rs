//! What the cases share: folders written inline, and questions to a database.

pub(crate) mod boot;
pub(crate) mod certificates;
pub(crate) mod clock;
pub(crate) mod gate;
pub(crate) mod outside;
pub(crate) mod pgbouncer;
pub(crate) mod proxy;
pub(crate) mod scratch;

use std::path::Path;
use std::time::{Duration, Instant};

use refit::Migrator;
use refit::model::{MigrationSet, SourceFile};
use refit_devdb::{Server, ServerOptions, TestDb};
use tokio_postgres::types::FromSqlOwned;

/// A set from files written inline.
pub(crate) fn set(files: &[(&str, &str)]) -> MigrationSet {
    let files = files.iter().map(|(path, text)| SourceFile::new(*path, text.as_bytes().to_vec())).collect();
    MigrationSet::from_files("migrations", files).expect("a valid folder")
}

/// The same files on disk, for a process to read.
pub(crate) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    folder
}

pub(crate) fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        std::fs::write(folder.join(path), text).unwrap();
    }
}

/// A migrator over files written inline.
pub(crate) fn migrator(files: &[(&str, &str)]) -> Migrator {
    Migrator::new(set(files))
}

/// What is remembered of the history that the session's search path finds.
pub(crate) async fn state(client: &tokio_postgres::Client) -> refit::State {
    migrator(&[]).state(client).await.unwrap()
}

/// The single value that a query answers.
pub(crate) async fn value<T: FromSqlOwned>(db: &TestDb, sql: &str) -> T {
    value_at(db.url(), sql).await
}

/// Runs statements.
pub(crate) async fn execute(db: &TestDb, sql: &str) {
    execute_at(db.url(), sql).await;
}

/// Waits for a condition; says what it waited for when that does not come.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < Duration::from_secs(60), "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Advisory locks that any session holds on the database.
pub(crate) async fn advisory_locks(db: &TestDb) -> i64 {
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    value(db, sql).await
}

/// A private server with settings of its own, started off the async threads.
pub(crate) async fn server(options: ServerOptions) -> Server {
    tokio::task::spawn_blocking(move || Server::start(options).unwrap()).await.unwrap()
}

/// The single value that a query answers, on any URL.
pub(crate) async fn value_at<T: FromSqlOwned>(url: &str, sql: &str) -> T {
    let client = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
    let value = client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0);
    client.close().await;
    value
}

/// Runs statements, on any URL.
pub(crate) async fn execute_at(url: &str, sql: &str) {
    let client = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    client.close().await;
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
