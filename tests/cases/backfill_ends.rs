//! How backfills end: sweeps, gates, control, and errors.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use refit::backfill::{JobStatus, Request, request};
use refit::{Backfills, ConnectOptions, Error, Event, Migrator};
use refit_devdb::TestDb;

use crate::support::{execute, exists, migrator, until, value};

const GATED: (&str, &str) = ("V3__after.sql", "-- refit: after = [\"V2\"]\nCREATE TABLE after_it (id int);");
const TABLE: (&str, &str) = (
    "V1__t.sql",
    "CREATE TABLE t (id bigserial PRIMARY KEY, n int NOT NULL DEFAULT 0, x int); INSERT INTO t (n) SELECT 0 FROM generate_series(1, 1000)",
);
const FILL: (&str, &str) = (
    "V2__fill.sql",
    "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2;",
);
/// Rows are added at both ends of the table.
const COME: &str = "CREATE FUNCTION come() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN INSERT INTO t (id, n) SELECT g, 0 FROM (VALUES (-5), (-4), (2000)) v (g) ON CONFLICT DO NOTHING; RETURN NULL; END'; \
    CREATE TRIGGER come AFTER UPDATE ON t EXECUTE FUNCTION come()";

fn inline(files: &[(&str, &str)]) -> Migrator {
    migrator(files).backfills(Backfills::Inline)
}

async fn hold(db: &TestDb, files: &[(&str, &str)]) {
    migrator(files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
}

/// The number of rows per value of `n`.
async fn counts(db: &TestDb) -> String {
    value(db, "SELECT string_agg(format('%s: %s', n, rows), ', ' ORDER BY n) FROM (SELECT n, count(*) AS rows FROM t GROUP BY n) c").await
}

async fn status(db: &TestDb) -> JobStatus {
    let client = refit::connect(db.url(), &ConnectOptions::default()).await.unwrap();
    let status = JobStatus::of(&client, &crate::support::state(&client).await, 2).await.unwrap().unwrap();
    client.close().await;
    status
}

async fn ask(db: &TestDb, what: Request) -> Result<(), Error> {
    let client = refit::connect(db.url(), &ConnectOptions::default()).await.unwrap();
    let outcome = request(&client, &crate::support::state(&client).await, 2, what).await;
    client.close().await;
    outcome
}

#[tokio::test]
async fn held_steps_run_whichever_process_completes_the_backfill() {
    let db = TestDb::empty().await.unwrap();
    hold(&db, &[TABLE, FILL, GATED]).await;
    ask(&db, Request::Pause).await.unwrap();
    let url = db.url().to_owned();
    let waiting = tokio::spawn(async move { inline(&[TABLE, FILL, GATED]).run(&url).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Another program completes the backfill, or this one did before it lost its connection.
    execute(&db, "UPDATE refit.backfill SET state = 'complete', requested = 'run', finished_at = now()")
        .await;
    let report = waiting.await.unwrap().unwrap();
    assert!(exists(&db, "after_it").await, "{report}");
    assert_eq!((report.steps.len(), report.held.len(), report.backfills.len()), (1, 0, 1));
}

#[tokio::test]
async fn no_batch_runs_before_the_first_throttle_sample() {
    let db = TestDb::empty().await.unwrap();
    // The throttle query takes 0.7 s to return that the work must wait.
    let fill = FILL.1.replace(
        "[\"id\"]",
        "[\"id\"], throttle = \"SELECT CASE WHEN pg_sleep(0.7) IS NOT NULL THEN 1 ELSE 0 END\"",
    );
    let files = [TABLE, (FILL.0, fill.as_str())];
    hold(&db, &files).await;
    let (url, work) = (db.url().to_owned(), inline(&files));
    let working = tokio::spawn(async move { work.run(&url).await });
    until("it is throttled", async || status(&db).await.throttle.is_some()).await;
    assert_eq!(counts(&db).await, "0: 1000");
    working.abort();
}

#[tokio::test]
async fn a_small_backfill_is_fast() {
    let db = TestDb::empty().await.unwrap();
    hold(&db, &[TABLE, FILL]).await;
    let began = Instant::now();
    inline(&[TABLE, FILL]).run(db.url()).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
    assert_eq!(counts(&db).await, "1: 1000");
}

#[tokio::test]
async fn a_statement_timeout_of_the_role_skips_no_rows() {
    let db = TestDb::empty().await.unwrap();
    let table = format!(
        "{}; CREATE FUNCTION slow(n int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.3); RETURN n < 2; END'",
        TABLE.1.replace("1000", "3")
    );
    let fill = FILL.1.replace("[\"id\"]", "[\"id\"], batch = 1, remaining = \"slow(n)\"");
    let files = [(TABLE.0, table.as_str()), (FILL.0, fill.as_str())];
    hold(&db, &files).await;
    let sql = "ALTER DATABASE \"{}\" SET statement_timeout = '200ms'".replace("{}", db.name());
    execute(&db, &sql).await;
    inline(&files).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "2: 3");
    let aside: i64 = value(&db, "SELECT count(*) FROM refit.backfill_error").await;
    assert_eq!(aside, 0);
}

#[tokio::test]
async fn a_condition_that_fails_later_ends_the_job_and_skips_no_rows() {
    let db = TestDb::empty().await.unwrap();
    let fill = FILL.1.replace(
        "[\"id\"]",
        "[\"id\"], batch = 10, remaining = \"CASE WHEN current_setting('application_name') LIKE 'refit backfill%' THEN 1 / x = 0 ELSE n < 2 END\"",
    );
    let table = format!("{}; UPDATE t SET x = CASE id WHEN 500 THEN 0 ELSE id END", TABLE.1);
    let files = [(TABLE.0, table.as_str()), (FILL.0, fill.as_str())];
    let error = inline(&files).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("division by zero"), "{error}");
    assert_eq!(status(&db).await.state.as_str(), "failed");
    let open: i64 = value(&db, "SELECT count(*) FROM refit.backfill_range WHERE pass > 0 AND NOT done").await;
    assert_eq!(open, 1);
}

#[tokio::test]
async fn a_job_with_new_rows_after_every_sweep_can_be_resumed() {
    let db = TestDb::empty().await.unwrap();
    // Each changed row inserts another one.
    let table = format!(
        "{}; CREATE FUNCTION next() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN IF NEW.id >= 1000 THEN INSERT INTO t (n) VALUES (0); END IF; RETURN NULL; END'; \
         CREATE TRIGGER next AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION next()",
        TABLE.1
    );
    let fill = FILL
        .1
        .replace("id <= $2", "id <= $2 AND n = 0")
        .replace("[\"id\"]", "[\"id\"], remaining = \"n = 0\"");
    let files = [(TABLE.0, table.as_str()), (FILL.0, fill.as_str())];
    for what in [Request::Retry, Request::Resume] {
        let error = inline(&files).run(db.url()).await.unwrap_err();
        assert!(error.message().contains("they are written as fast as they are done"), "{error}");
        let status = status(&db).await;
        assert_eq!((status.state.as_str(), status.pass), ("incomplete", 20), "{status}");
        ask(&db, what).await.unwrap();
    }
    execute(&db, "DROP TRIGGER next ON t").await;
    inline(&files).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 1041");
    assert_eq!(status(&db).await.pass, 1);
}

#[tokio::test]
async fn rows_fixed_after_a_stopped_sweep_are_changed() {
    let db = TestDb::empty().await.unwrap();
    let table = format!(
        "{}; CREATE TABLE look (id bigint PRIMARY KEY, x int); INSERT INTO look SELECT g, g FROM generate_series(1, 990) g",
        TABLE.1
    );
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"] }\n\
         UPDATE t SET n = n + 1, x = (SELECT x FROM look WHERE look.id = t.id) WHERE id > $1 AND id <= $2 AND x IS NULL;",
    );
    let files = [(TABLE.0, table.as_str()), fill];
    let error = inline(&files).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("10 rows still meet `x IS NULL`"), "{error}");
    assert!(error.message().contains("The first: (991) (992) (993)"), "{error}");
    execute(&db, "INSERT INTO look SELECT g, g FROM generate_series(991, 1000) g").await;
    ask(&db, Request::Resume).await.unwrap();
    inline(&files).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 990, 3: 10");
}

#[tokio::test]
async fn requests_for_a_job_that_has_just_completed_are_refused() {
    for what in [Request::Pause, Request::Retry] {
        let db = TestDb::empty().await.unwrap();
        hold(&db, &[TABLE, FILL]).await;
        let other = refit::connect(db.url(), &ConnectOptions::default()).await.unwrap();
        other.batch_execute("BEGIN; UPDATE refit.backfill SET state = 'complete'").await.unwrap();
        let finishing = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            other.batch_execute("COMMIT").await.unwrap();
        };
        let (asked, ()) = tokio::join!(ask(&db, what), finishing);
        assert!(asked.unwrap_err().message().contains("has become complete"));
        assert_eq!(status(&db).await.requested.as_str(), "run");
    }
}

#[tokio::test]
async fn a_sweep_changes_no_row_twice() {
    let db = TestDb::empty().await.unwrap();
    let fill = FILL.1.replace("[\"id\"]", "[\"id\"], remaining = \"n = 0\", undo = [\"n\"]");
    let files = [TABLE, (FILL.0, fill.as_str())];
    hold(&db, &files[..1]).await;
    execute(&db, COME).await;
    inline(&files).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 1003");
    let status = status(&db).await;
    assert_eq!((status.pass, status.rows_changed), (1, 1003), "{status}");
}

#[tokio::test]
async fn a_sweep_of_several_statements_or_a_function_changes_no_row_twice() {
    let table = format!("{}; {COME}", TABLE.1);
    let directive =
        "-- refit: backfill = { table = \"t\", key = [\"id\"], remaining = \"n = 0\", batch = 300 }\n";
    let two = "UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2; UPDATE t SET x = 1 WHERE id > $1 AND id <= $2 AND x IS NULL;";
    for statements in [two, "-- Done by a function.\n"] {
        let db = TestDb::empty().await.unwrap();
        let fill = format!("{directive}{statements}");
        let work = inline(&[(TABLE.0, table.as_str()), (FILL.0, fill.as_str())]).backfill_with(2, |batch| {
            Box::pin(async move {
                let keys: Vec<String> = batch.keys().await?.into_iter().flatten().collect();
                let sql = "UPDATE t SET n = n + 1 WHERE id = ANY ($1::text[]::bigint[])";
                Ok(batch.client().execute(sql, &[&keys]).await?)
            })
        });
        work.run(db.url()).await.unwrap();
        assert_eq!(counts(&db).await, "1: 1003", "{statements}");
    }
}

#[tokio::test]
async fn a_worker_that_sleeps_is_paused_within_a_second() {
    let db = TestDb::empty().await.unwrap();
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 1, workers = 1, throttle = \"SELECT 0.99\" }\n\
         UPDATE t SET n = n + 1 FROM (SELECT pg_sleep(0.25) OFFSET 0) slow WHERE id > $1 AND id <= $2;",
    );
    hold(&db, &[TABLE, fill]).await;
    let (url, work) = (db.url().to_owned(), inline(&[TABLE, fill]));
    let working = tokio::spawn(async move { work.run(&url).await });
    until("the worker sleeps", async || status(&db).await.batches >= 5).await;
    ask(&db, Request::Pause).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let paused = status(&db).await;
    assert!(paused.workers.is_empty(), "{paused}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(status(&db).await.rows_changed, paused.rows_changed);
    working.abort();
}

#[tokio::test]
async fn a_search_for_remaining_rows_does_not_block_requests() {
    let db = TestDb::empty().await.unwrap();
    let table = format!(
        "{}; CREATE FUNCTION slow(n int) RETURNS bool LANGUAGE sql AS 'SELECT n < 1 OR pg_sleep(1) IS NULL'",
        TABLE.1.replace("1000", "2")
    );
    let fill = FILL.1.replace("[\"id\"]", "[\"id\"], remaining = \"slow(n)\"");
    let files = [(TABLE.0, table.as_str()), (FILL.0, fill.as_str())];
    hold(&db, &files).await;
    let (url, work) = (db.url().to_owned(), inline(&files));
    let working = tokio::spawn(async move { work.run(&url).await });
    until("all rows are changed", async || status(&db).await.rows_changed == 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    ask(&db, Request::Pause).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(status(&db).await.is_paused());
    ask(&db, Request::Resume).await.unwrap();
    working.await.unwrap().unwrap();
    assert_eq!(status(&db).await.state.as_str(), "complete");
}

#[tokio::test]
async fn a_batch_cannot_write_outside_its_transaction() {
    let db = TestDb::empty().await.unwrap();
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], workers = 1 }\n-- Done by a function.\n",
    );
    let work = inline(&[TABLE, fill]).backfill_with(2, |batch| {
        Box::pin(async move {
            batch.client().batch_execute("UPDATE t SET x = 1; ROLLBACK").await?;
            let outside = batch.client().batch_execute("UPDATE t SET x = 2").await.unwrap_err();
            assert_eq!(outside.code().map(|code| code.code()), Some("25006"), "{outside}");
            Ok(0)
        })
    });
    let error = work.run(db.url()).await.unwrap_err();
    assert!(error.message().contains("ended the transaction"), "{error}");
    let changed: i64 = value(&db, "SELECT count(*) FROM t WHERE x IS NOT NULL").await;
    assert_eq!(changed, 0);
}

#[tokio::test]
async fn the_time_of_a_commit_excludes_the_query_for_the_next_batch() {
    let db = TestDb::empty().await.unwrap();
    let table = format!(
        "{}; CREATE FUNCTION slow(n int) RETURNS bool LANGUAGE sql AS 'SELECT n < 2 AND pg_sleep(1.2) IS NOT NULL'",
        TABLE.1.replace("1000", "4")
    );
    let fill = FILL
        .1
        .replace("[\"id\"]", "[\"id\"], batch = 1, workers = 1, duration = \"1s\", remaining = \"slow(n)\"");
    let files = [(TABLE.0, table.as_str()), (FILL.0, fill.as_str())];
    let status = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&status);
    let work = inline(&files).observe(move |event| {
        if let Event::Backfill { status } = event
            && let Some(throttle) = &status.throttle
        {
            heard.lock().unwrap().push_str(throttle);
        }
    });
    work.run(db.url()).await.unwrap();
    let status = status.lock().unwrap();
    assert!(!status.contains("a commit takes"), "{status}");
}

#[tokio::test]
async fn a_batch_that_ends_its_session_has_its_reason_recorded() {
    let db = TestDb::empty().await.unwrap();
    let table = format!("{}; CREATE TABLE bad AS SELECT 500::bigint AS id", TABLE.1);
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"] }\n\
         UPDATE t SET n = n + 1 + CASE WHEN id IN (SELECT id FROM bad) AND pg_terminate_backend(pg_backend_pid(), 100) THEN 1 ELSE 0 END \
         WHERE id > $1 AND id <= $2;",
    );
    let files = [(TABLE.0, table.as_str()), fill];
    hold(&db, &files).await;
    let (url, work) = (db.url().to_owned(), inline(&files));
    let working = tokio::spawn(async move { work.run(&url).await });
    until("the reason is recorded", async || {
        let retried = "SELECT coalesce((SELECT retry_reason LIKE '%terminating connection%' AND retries > 1 FROM refit.backfill_range), false)";
        value(&db, retried).await
    })
    .await;
    execute(&db, "TRUNCATE bad").await;
    working.await.unwrap().unwrap();
    assert_eq!(counts(&db).await, "1: 1000");
}

#[tokio::test]
async fn a_row_that_cannot_be_set_aside_ends_the_job() {
    let db = TestDb::empty().await.unwrap();
    // The longest key that an index accepts: with another column beside it, it is too long.
    let table = (
        "V1__t.sql",
        "CREATE TABLE t (id text PRIMARY KEY, n int NOT NULL DEFAULT 0); \
         INSERT INTO t SELECT left((SELECT string_agg(md5(g::text), '' ORDER BY g) FROM generate_series(1, 100) g), 2670)",
    );
    let fill = ("V2__fill.sql", FILL.1.replace("n + 1", "n / 0"));
    let error = inline(&[table, (fill.0, fill.1.as_str())]).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("could not be set aside"), "{error}");
    assert!(error.message().contains("division by zero"), "{error}");
    assert_eq!(status(&db).await.state.as_str(), "failed");
}
