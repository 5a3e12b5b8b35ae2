//! What the cases share: folders written inline, and questions to a database.

use std::path::Path;

use refit::Migrator;
use refit::model::{MigrationSet, SourceFile};
use refit_devdb::TestDb;
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

/// The single value that a query answers.
pub(crate) async fn value<T: FromSqlOwned>(db: &TestDb, sql: &str) -> T {
    let client = db.connect().await.unwrap();
    let value = client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0);
    client.close().await;
    value
}

/// Runs statements.
pub(crate) async fn execute(db: &TestDb, sql: &str) {
    let client = db.connect().await.unwrap();
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
