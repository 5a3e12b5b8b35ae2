//! `plan --sql` and `rollback --sql`: applied by psql, a script leaves what Refit itself would have left.

use std::io::Write as _;
use std::process::{Command, Stdio};

use refit::{Backfills, Error, Rollback};
use refit_catalog::{Catalog, Delta, ReadOptions};
use refit_devdb::TestDb;

use crate::support::{applied, execute, migrator, value};

const FILES: [(&str, &str); 14] = [
    (
        "V1__t.sql",
        "CREATE TABLE t (id bigint PRIMARY KEY, \"N\" int);\nINSERT INTO t SELECT g FROM generate_series(1, 2500) g;\n\
         COMMENT ON TABLE t IS 'with $refit$ and '' and \\ in it'; -- a comment at the end",
    ),
    ("V1__t.down.sql", "DROP TABLE t;"),
    (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 100 }\n\
         UPDATE t SET \"N\" = id % 7 WHERE id > $1 AND id <= $2 AND id % $3 = $4 AND \"N\" IS NULL;",
    ),
    ("V2__fill.down.sql", "UPDATE t SET \"N\" = NULL;"),
    (
        "V3__path.sql",
        "CREATE SCHEMA other;\nSET search_path = other;\nSET lock_timeout = 0;\nCREATE TABLE u (a int, b text, v int, PRIMARY KEY (a, b));\n\
         INSERT INTO u SELECT g, g::text FROM generate_series(1, 250) g;\nSELECT pg_advisory_unlock_all();",
    ),
    ("V3__path.down.sql", "DROP TABLE other.u;\nDROP SCHEMA other;"),
    (
        "V4__index.sql",
        "-- refit: transaction = false\n-- refit: after = [\"V2\"]\nSET search_path = public;\nCREATE INDEX CONCURRENTLY t_n ON t (\"N\");\n\
         ALTER TABLE t ADD COLUMN late text;\nVACUUM t;",
    ),
    (
        "V4__index.down.sql",
        "-- refit: transaction = false\nDROP INDEX CONCURRENTLY t_n;\nALTER TABLE t DROP COLUMN late;",
    ),
    (
        "V5__rows.sql",
        "-- refit: backfill = { table = \"other.u\", key = [\"a\", \"b\"], batch = 30 }\n\
         UPDATE other.u SET v = 1 WHERE (a, b) > ($1, $2) AND (a, b) <= ($3, $4) AND v IS NULL;\n\
         UPDATE other.u SET v = 1 WHERE (a, b) > ($1, $2) AND (a, b) <= ($3, $4) AND v IS NULL;",
    ),
    ("V5__rows.down.sql", "UPDATE other.u SET v = NULL;"),
    ("V6__strict.sql", "-- refit: after = [\"V2\", \"V5\"]\nALTER TABLE t ALTER COLUMN \"N\" SET NOT NULL;"),
    ("V6__strict.down.sql", "ALTER TABLE t ALTER COLUMN \"N\" DROP NOT NULL;"),
    ("R__sums.sql", "CREATE OR REPLACE VIEW sums AS SELECT sum(id) FROM t;"),
    ("refit.toml", "lock_timeout = \"3s\"\n"),
];

/// Runs a script; returns what psql has written to standard error.
fn psql(db: &TestDb, script: &str) -> Result<(), String> {
    let mut psql = Command::new("psql")
        .args(["-X", "-q", "-f", "-", db.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = psql.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

/// Runs a script without psql: each of its statements by itself.
async fn run(db: &TestDb, script: &str) -> Result<(), String> {
    let client = db.connect().await.unwrap();
    let script: String =
        script.lines().filter(|line| !line.starts_with('\\')).map(|line| format!("{line}\n")).collect();
    for statement in refit_model::split_statements(&script) {
        let sent = client.batch_execute(statement.text).await;
        sent.map_err(|error| error.as_db_error().map_or(error.to_string(), |db| db.message().to_owned()))?;
    }
    Ok(())
}

/// Runs a script by psql if there is one; otherwise statement by statement.
async fn apply(db: &TestDb, script: &str) -> Result<(), String> {
    match Command::new("psql").arg("--version").output() {
        Ok(_) => psql(db, script),
        Err(_) => run(db, script).await,
    }
}

async fn plan(db: &TestDb, files: &[(&str, &str)]) -> Result<String, Error> {
    let client = db.connect().await.unwrap();
    migrator(files).plan_sql(&client).await
}

async fn schema(db: &TestDb) -> Catalog {
    Catalog::read(&db.connect().await.unwrap(), &ReadOptions::default()).await.unwrap()
}

/// Everything that Refit records but times, processes and numbers of jobs.
async fn records(db: &TestDb) -> String {
    let sql = "SELECT concat_ws(E'\n', \
        (SELECT string_agg(format('%s %s %s', version, name, checksum), ', ' ORDER BY version) FROM refinery_schema_history), \
        (SELECT string_agg(format('%s %s %s', outcome, undo_to, planned), ', ' ORDER BY id) FROM refit.run), \
        (SELECT string_agg(format('%s %s %s %s %s %s %s', kind, version, name, checksum, outcome, statements_done, statements_checksum), \
             ', ' ORDER BY id) FROM refit.step), \
        (SELECT string_agg(format('%s %s %s', name, checksum, current), ', ') FROM refit.repeatable), \
        (SELECT string_agg(format('%s %s %s %s %s %s %s', version, kind, state, requested, search_path, relation, remaining), ', ' ORDER BY id) \
             FROM refit.backfill), \
        (SELECT string_agg(format('%s %s %s', schema_name, relation = 'refinery_schema_history'::regclass, retired_at), ', ') \
             FROM refit.history))";
    value(db, sql).await
}

/// A script of all migrations leaves the schema, the history and the records of a run, with backfills and what waits for them.
#[tokio::test]
async fn a_script_leaves_what_a_run_leaves() {
    let (by_hand, by_refit, split) =
        (TestDb::empty().await.unwrap(), TestDb::empty().await.unwrap(), TestDb::empty().await.unwrap());
    let script = plan(&by_hand, &FILES).await.unwrap();
    apply(&by_hand, &script).await.unwrap();
    migrator(&FILES).backfills(Backfills::Inline).run(by_refit.url()).await.unwrap();
    let rows = "SELECT (SELECT string_agg(concat(id, \"N\"), ',' ORDER BY id) FROM t) || (SELECT sum(v) FROM other.u)";
    assert_eq!(value::<String>(&by_hand, rows).await, value::<String>(&by_refit, rows).await);
    assert_eq!(Delta::between(&schema(&by_refit).await, &schema(&by_hand).await).text(), "");
    assert_eq!(records(&by_hand).await, records(&by_refit).await);
    let report = migrator(&FILES).backfills(Backfills::Inline).run(by_hand.url()).await.unwrap();
    assert_eq!(
        (report.run, report.held.len(), report.warnings.len()),
        (None, 0, 0),
        "a run finds nothing to do"
    );
    assert!(plan(&by_hand, &FILES).await.unwrap().ends_with("-- up to date\n"));
    // The same script for a client that knows no psql.
    run(&split, &script).await.unwrap();
    assert_eq!(records(&split).await, records(&by_refit).await);

    let client = by_hand.connect().await.unwrap();
    let back = Rollback { to: 1, leave_rows: vec![2, 5], ..Default::default() };
    let script = migrator(&FILES).rollback_sql(&client, &back).await.unwrap();
    apply(&by_hand, &script).await.unwrap();
    migrator(&FILES).rollback(by_refit.url(), &back).await.unwrap();
    assert_eq!(applied(&by_hand).await, "1");
    assert_eq!(Delta::between(&schema(&by_refit).await, &schema(&by_hand).await).text(), "");
    assert_eq!(records(&by_hand).await, records(&by_refit).await);
    // A part of the set, on a database that has a history.
    let script = plan(&by_hand, &FILES).await.unwrap();
    apply(&by_hand, &script).await.unwrap();
    migrator(&FILES).backfills(Backfills::Inline).run(by_refit.url()).await.unwrap();
    assert_eq!(records(&by_hand).await, records(&by_refit).await);
    assert_eq!(value::<String>(&by_hand, rows).await, value::<String>(&by_refit, rows).await);
}

#[tokio::test]
async fn a_script_stops_where_it_must() {
    let db = TestDb::empty().await.unwrap();
    let one = [FILES[0]];
    let script = plan(&db, &one).await.unwrap();
    // Another session holds the lock, then another run has applied something.
    let client = db.connect().await.unwrap();
    let lock = migrator(&one).lock(&client).await.unwrap();
    let locked = apply(&db, &script).await.unwrap_err();
    assert!(locked.contains("another session holds the migration lock"), "{locked}");
    lock.release(&client).await;
    migrator(&one).run(db.url()).await.unwrap();
    let changed = apply(&db, &script).await.unwrap_err();
    assert!(changed.contains("the history has changed since this script was made"), "{changed}");
    let later = [
        FILES[0],
        ("V7__bad.sql", "CREATE TABLE bad (id int);\nSELECT nothing;"),
        ("V8__late.sql", "SELECT 1;"),
    ];
    let script = plan(&db, &later).await.unwrap();
    let failed = apply(&db, &script).await.unwrap_err();
    assert!(failed.contains("\"nothing\" does not exist"), "{failed}");
    assert_eq!(applied(&db).await, "1");
    assert!(!value::<bool>(&db, "SELECT to_regclass('bad') IS NOT NULL").await);
    execute(&db, "UPDATE refinery_schema_history SET checksum = '5'").await;
    assert!(matches!(plan(&db, &later).await, Err(Error::Refused(_))));
}

/// A step that the script leaves half done is resumed by Refit, or refused by the next script.
#[tokio::test]
async fn refit_takes_over_where_a_script_stopped() {
    let db = TestDb::empty().await.unwrap();
    let bad = "-- refit: transaction = false\nALTER TABLE t ADD COLUMN a int;\nINSERT INTO gone VALUES (1);";
    let files = [FILES[0], ("V7__half.sql", bad)];
    let failed = apply(&db, &plan(&db, &files).await.unwrap()).await.unwrap_err();
    assert!(failed.contains("\"gone\" does not exist"), "{failed}");
    assert_eq!(applied(&db).await, "1");
    let refused = plan(&db, &files).await.unwrap_err().to_string();
    assert!(refused.contains("V7__half.sql was interrupted after 1 of its statements"), "{refused}");
    execute(&db, "CREATE TABLE gone (id int)").await;
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,7");
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM gone").await, 1);
}

/// What no loop does faithfully is registered, and its statement is shown.
#[tokio::test]
async fn a_backfill_that_no_loop_can_do_is_left_to_refit() {
    let db = TestDb::empty().await.unwrap();
    let add = "-- refit: backfill = { table = \"t\", key = [\"id\"], undo = [\"N\"] }\n\
               UPDATE t SET \"N\" = 3 WHERE id > $1 AND id <= $2 AND \"N\" IS NULL;";
    let files = [FILES[0], ("V2__undo.sql", add), ("V3__after.sql", "-- refit: after = [\"V2\"]\nSELECT 1;")];
    let script = plan(&db, &files).await.unwrap();
    assert!(
        script.contains("V2__undo.sql are not changed by this script, because it keeps earlier values"),
        "{script}"
    );
    assert!(
        script.contains("--   UPDATE t SET \"N\" = 3")
            && script.contains("-- Not applied: V3__after  (waits for")
    );
    apply(&db, &script).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
    let inline = migrator(&files).backfills(Backfills::Inline);
    inline.run(db.url()).await.unwrap();
    assert_eq!(
        (applied(&db).await.as_str(), value::<i64>(&db, "SELECT sum(\"N\") FROM t").await),
        ("1,2,3", 7500)
    );
    let client = db.connect().await.unwrap();
    let back = Rollback { to: 1, ..Rollback::default() };
    let down = [&files[..], &[("V3__after.down.sql", "SELECT 1;")]].concat();
    let refused = migrator(&down).rollback_sql(&client, &back).await.unwrap_err().to_string();
    assert!(
        refused.contains("V2__undo restores rows from its journal") && refused.contains("--leave-rows 2"),
        "{refused}"
    );
}

/// Directives and texts with every kind of quote cannot leave their place in a script.
#[tokio::test]
async fn names_and_texts_cannot_break_out_of_a_script() {
    let db = TestDb::empty().await.unwrap();
    let hostile = "a\n\\! touch /nowhere\nDROP TABLE t; --'";
    let script = migrator(&FILES).environment(hostile).plan_sql(&db.connect().await.unwrap()).await.unwrap();
    apply(&db, &script).await.unwrap();
    assert_eq!(value::<String>(&db, "SELECT min(environment) FROM refit.run").await, hostile);
    let comment = "SELECT obj_description('t'::regclass)";
    assert_eq!(value::<String>(&db, comment).await, "with $refit$ and ' and \\ in it");
}
