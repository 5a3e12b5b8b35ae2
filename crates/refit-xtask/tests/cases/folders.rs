//! Three folders like those of real services, end to end: lint, `--fix`, migrate a new database twice, snapshot, verify, and
//! restore a dump. The original and the fixed folder create the same schema.

use std::path::Path;
use std::process::{Command, Stdio};

use refit_catalog::{Catalog, Delta, ReadOptions};
use refit_devdb::TestDb;

use crate::support::{Workspace, value};

fn folder(name: &str) -> Workspace {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/folders").join(name);
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<(String, String)> = entries
        .map(|file| {
            (file.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(file).unwrap())
        })
        .collect();
    Workspace::new(&files.iter().map(|(name, text)| (&**name, &**text)).collect::<Vec<_>>())
}

/// Migrates twice, backfills included, and compares with the snapshot.
fn applied(workspace: &Workspace) {
    workspace.run(&["snapshot"]).expect(0);
    workspace.run(&["migrate"]).expect(0);
    let again = workspace.run(&["migrate"]).expect(0).stdout;
    assert!(again.contains("nothing to apply"), "{again}");
    let verified = workspace.run(&["verify"]).expect(0).stdout;
    assert!(verified.contains("no drift"), "{verified}");
}

async fn schema(db: &TestDb) -> Catalog {
    Catalog::read(&db.connect().await.unwrap(), &ReadOptions::default()).await.unwrap()
}

fn assert_same(what: &str, one: &Catalog, other: &Catalog) {
    let delta = Delta::between(one, other);
    assert!(delta.is_empty(), "{what}:\n{}", delta.text());
}

fn assert_same_rows(one: &str, other: &str) {
    let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    assert!(one == other, "{} and {} rows; {differs:?}", one.lines().count(), other.lines().count());
}

/// All rows of all tables as sorted text.
async fn rows(db: &TestDb) -> String {
    let tables = "SELECT string_agg(pg_catalog.format('SELECT %L AS t, x::text AS r FROM %I.%I x', relname, nspname, relname), ' UNION ALL ')
        FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind = 'r' AND nspname NOT LIKE 'pg%' AND nspname NOT IN ('information_schema', 'refit')
          AND relname <> 'refinery_schema_history'";
    let all: String = value(db, tables).await;
    // Random values and times differ between runs.
    let same = r"regexp_replace(regexp_replace(r, '[0-9a-f]{8}-[0-9a-f-]{27}', 'uuid', 'g'), '\d{4}-\d\d-\d\d[ T0-9:.+]*', 'time', 'g')";
    let hot = r"regexp_replace(s, '-?\d+\.\d{7,}', 'score', 'g')";
    value(db, &format!("SELECT string_agg(t || {hot}, E'\n' ORDER BY t COLLATE \"C\", {hot} COLLATE \"C\") FROM (SELECT t, {same} AS s FROM ({all}) AS a) AS b"))
        .await
}

/// A copy of a database through dump and restore.
async fn restored(db: &TestDb) -> Option<TestDb> {
    let tool = |name: &str| db.server().binaries().tool(name).unwrap_or_else(|| name.into());
    let dump = Command::new(tool("pg_dump")).arg(db.url()).output().ok()?;
    if !dump.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&dump.stderr));
        return None;
    }
    let copy = TestDb::empty().await.unwrap();
    let mut psql = Command::new(tool("psql"));
    psql.args(["-qX", "-v", "ON_ERROR_STOP=1", copy.url()]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = psql.spawn().ok()?;
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &dump.stdout).unwrap();
    assert!(child.wait().unwrap().success());
    Some(copy)
}

async fn from_end_to_end(name: &str) {
    let (plain, other_db) = (TestDb::empty().await.unwrap(), TestDb::empty().await.unwrap());
    let as_written = folder(name).on(&plain);
    let linted = as_written.run(&["lint-migrations"]).expect(1).stdout;
    assert!(!linted.contains("syntax-error"), "{linted}");
    applied(&as_written);

    let fixed = folder(name).on(&other_db);
    let files = fixed.files();
    fixed.run(&["lint-migrations", "--fix", "--fix-tracked"]);
    assert!(fixed.files().len() > files.len() + 3, "{:?}", fixed.files());
    let left = fixed.run(&["lint-migrations"]).stdout;
    assert!(!left.contains("syntax-error"), "{left}");
    // The fixed folder needs no more fixes.
    let before = fixed.files();
    fixed.run(&["lint-migrations", "--fix", "--fix-tracked"]);
    assert_eq!(fixed.files(), before);
    applied(&fixed);

    let schema_of_fixed = schema(&other_db).await;
    assert_same("as written, and fixed", &schema(&plain).await, &schema_of_fixed);
    let (one, other) = (rows(&plain).await, rows(&other_db).await);
    assert!(one.lines().count() > 50);
    assert_same_rows(&one, &other);
    if let Some(copy) = restored(&other_db).await {
        assert_same("a dump, and what it is of", &schema_of_fixed, &schema(&copy).await);
        assert_same_rows(&other, &rows(&copy).await);
        fixed.on(&copy).run(&["verify"]).expect(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_from_end_to_end() {
    from_end_to_end("accounts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_from_end_to_end() {
    from_end_to_end("links").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_from_end_to_end() {
    from_end_to_end("registry").await;
}
