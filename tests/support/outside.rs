//! Steps outside a transaction: texts, records of attempts that were interrupted, and interruptions.

use refit_devdb::TestDb;

use super::{boot, execute, folder, until, value};

pub(crate) const HEAD: &str = "-- refit: transaction = false\n";
pub(crate) const TABLE: (&str, &str) =
    ("V1__t.sql", "CREATE TABLE t (id int, a int, b int);\nINSERT INTO t VALUES (1, 1, 1);");
pub(crate) fn outside(text: &str) -> String {
    format!("{HEAD}{text}")
}

/// Records statement `number` of V2 as begun by an attempt of a process that no longer runs.
pub(crate) async fn begin(db: &TestDb, files: &[(&str, &str)], number: i32, leftovers: &str) {
    let set = super::set(files);
    let migration = set.migration(2).unwrap();
    let sql = format!(
        "INSERT INTO refit.step (run_id, kind, version, name, checksum, outcome, statements_done, statement_begun, leftovers) \
         SELECT max(id), 'versioned', 2, '{}', '{}', 'running', {}, {number}, {leftovers} FROM refit.run",
        migration.name,
        migration.checksum,
        number - 1,
    );
    execute(db, &sql).await;
}

/// Boots, kills the process once a statement with this beginning is active, and ends its session.
pub(crate) async fn kill_at(
    db: &TestDb,
    files: &[(&str, &str)],
    statement: &str,
    mut ready: impl AsyncFnMut() -> bool,
) {
    let folder = folder(files);
    let mut process = boot::start(folder.path(), db.url());
    let active = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '{statement}%'"
    );
    until(statement, async || value::<i64>(db, &active).await > 0 && ready().await).await;
    process.start_kill().unwrap();
    assert!(boot::end(process).await.killed);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name LIKE 'refit V%'";
    value::<i64>(db, end).await;
    let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'refit V%'";
    until("its session has ended", async || value::<i64>(db, left).await == 0).await;
}

pub(crate) const PARTITIONED: (&str, &str) = (
    "V1__play.sql",
    "CREATE TABLE play (at int) PARTITION BY RANGE (at);\nCREATE TABLE play_1 PARTITION OF play FOR VALUES FROM (1) TO (2);",
);
