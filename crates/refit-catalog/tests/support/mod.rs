//! Databases to read, files of cases, and pg_dump where there is one that can read the server.

pub(crate) mod pictures;

use std::path::{Path, PathBuf};
use std::process::Command;

use refit_catalog::{Catalog, ReadOptions};
use refit_devdb::TestDb;
pub(crate) use test_support::major as version;
pub(crate) use test_support::schema_changes::{Case, based, cases, run};

/// This package's own base and cases.
pub(crate) fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// The conformance data beside the repository, if it is there.
pub(crate) fn conformance() -> Option<PathBuf> {
    test_support::conformance("schema")
}

/// What is in a database.
pub(crate) async fn read(db: &TestDb) -> Catalog {
    let client = db.connect().await.unwrap();
    Catalog::read(&client, &ReadOptions::default()).await.unwrap()
}

/// A database in which `sql` was run.
pub(crate) async fn with(sql: &str) -> (TestDb, Catalog) {
    let db = TestDb::empty().await.unwrap();
    test_support::execute(&db, sql).await;
    let catalog = read(&db).await;
    (db, catalog)
}

/// The schema as pg_dump writes it, or nothing where none can read this server.
pub(crate) fn pg_dump(db: &TestDb, version: u32, arguments: &[&str]) -> Option<String> {
    let beside = db.server().binaries().tool("pg_dump");
    let program = beside.unwrap_or_else(|| PathBuf::from("pg_dump"));
    let output = Command::new(&program).arg("--version").output().ok()?;
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let major: u32 = output.split_whitespace().nth(2)?.split('.').next()?.parse().ok()?;
    if major < version {
        return None;
    }
    let output = Command::new(&program).args(arguments).arg(db.url()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // A token that is new each time.
    Some(
        text.lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
            .collect::<Vec<_>>()
            .join("\n"),
    )
}
