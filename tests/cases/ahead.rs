//! A step is sent while the one before runs. Whatever the outcome of that one, steps run in order.

use std::time::Duration;

use refit_devdb::TestDb;

use crate::support::{applied, execute, exists, migrator, value};

const FIRST: (&str, &str) = (
    "V1__first.sql",
    "CREATE TABLE ran (step int); INSERT INTO ran VALUES (1);\n\
     CREATE TABLE once (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);",
);

/// Ways to fail: before the transaction begins, in its middle, at its end, or with the connection.
const FAILURES: [&str; 8] = [
    "CREATE TABL b (id int);",
    "SELECT 1; SELECT (2;",
    "INSERT INTO ran VALUES (2); SELECT 1 / 0;",
    "INSERT INTO ran VALUES (2); INSERT INTO once VALUES (1), (1);",
    "INSERT INTO ran VALUES (2); DO $$ BEGIN RAISE 'stop'; END $$;",
    "INSERT INTO ran VALUES (2); SELECT pg_terminate_backend(pg_backend_pid());",
    "INSERT INTO ran VALUES (2); SELECT pg_advisory_unlock_all(); SELECT 1 / 0;",
    "SET LOCAL statement_timeout = 10; SELECT pg_sleep(5);",
];

/// Steps that follow: valid, malformed and failing ones.
const NEXT: [&str; 3] = ["INSERT INTO ran VALUES (3);", "SELECT 'unfinished;", "SELECT 1 / 0;"];

#[tokio::test]
async fn no_step_runs_after_a_failed_one() {
    for (index, failure) in FAILURES.into_iter().enumerate() {
        let next = NEXT[index % NEXT.len()].replace("'unfinished", "unfinished(");
        let db = TestDb::empty().await.unwrap();
        let files = [FIRST, ("V2__fails.sql", failure), ("V3__next.sql", &next), ("V4__a.sql", "SELECT 4;")];
        let error = migrator(&files).run(db.url()).await.unwrap_err().message();
        assert!(error.contains("V2__fails"), "{failure}: {error}");
        assert_eq!(applied(&db).await, "1", "{failure}");
        assert_eq!(value::<i64>(&db, "SELECT sum(step) FROM ran").await, 1, "{failure}");
        // After a fix, all steps run.
        let files = [FIRST, ("V2__fails.sql", "INSERT INTO ran VALUES (2);"), ("V3__next.sql", NEXT[0])];
        migrator(&files).run(db.url()).await.unwrap();
        assert_eq!(value::<String>(&db, "SELECT string_agg(step::text, ',') FROM ran").await, "1,2,3");
    }
}

#[tokio::test]
async fn a_retried_step_keeps_its_order() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, "CREATE TABLE busy (id int)").await;
    let reader = db.connect().await.unwrap();
    reader.batch_execute("BEGIN; SELECT * FROM busy").await.unwrap();
    let alter = "ALTER TABLE busy ADD COLUMN b int; INSERT INTO ran VALUES (2);";
    let files = [
        FIRST,
        ("V2__alter.sql", alter),
        ("V3__next.sql", "INSERT INTO ran SELECT 3 FROM busy HAVING count(b) = 0;"),
        ("V4__alone.sql", "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY ran_ix ON ran (step);"),
        ("V5__last.sql", "INSERT INTO ran VALUES (5);"),
    ];
    let running = tokio::spawn({
        let migrator = migrator(&files).lock_timeout(Duration::from_millis(100));
        let url = db.url().to_owned();
        async move { migrator.run(&url).await }
    });
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(applied(&db).await, "1");
    reader.batch_execute("COMMIT").await.unwrap();
    let report = running.await.unwrap().unwrap();
    assert!(report.steps[1].attempts > 1 && report.steps[2].attempts == 1, "{report}");
    assert_eq!(value::<String>(&db, "SELECT string_agg(step::text, ',') FROM ran").await, "1,2,3,5");
    assert_eq!(applied(&db).await, "1,2,3,4,5");
    assert!(exists(&db, "ran_ix").await);
}

/// A step whose response cannot be read was applied all the same.
#[tokio::test]
async fn an_unreadable_response_is_not_a_failure() {
    let db = TestDb::empty().await.unwrap();
    let latin = "DO $do$ BEGIN EXECUTE 'SET client_encoding = LATIN1'; END $do$;";
    let odd = format!("{latin} SELECT 1 AS \"hé\"; INSERT INTO ran VALUES (2);");
    let files = [FIRST, ("V2__odd.sql", odd.as_str()), ("V3__next.sql", NEXT[0])];
    let report = migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(report.steps.len(), 3);
    assert_eq!(applied(&db).await, "1,2,3");
    let outcomes = "SELECT string_agg(DISTINCT outcome, ',') FROM refit.step";
    assert_eq!(value::<String>(&db, outcomes).await, "succeeded");
    let failing = format!("{latin} SELECT 'é' / 0;");
    let files = [files[0], files[1], files[2], ("V4__odd.sql", failing.as_str())];
    let error = migrator(&files).run(db.url()).await.unwrap_err().message();
    assert!(error.starts_with("V4__odd.sql failed") && !error.contains("was lost"), "{error}");
    assert_eq!(applied(&db).await, "1,2,3");
}

#[tokio::test]
async fn a_run_waits_for_its_last_step() {
    let db = TestDb::empty().await.unwrap();
    let files = [FIRST, ("V2__slow.sql", "SELECT pg_sleep(0.3); INSERT INTO ran VALUES (2);")];
    let report = migrator(&files).run(db.url()).await.unwrap();
    assert_eq!((report.version, report.steps.len()), (Some(2), 2));
    assert!(report.steps[1].duration >= Duration::from_millis(300));
    let files = [files[0], files[1], ("V3__bad.sql", "SELECT 1 / 0;")];
    let error = migrator(&files).run(db.url()).await.unwrap_err().message();
    assert!(error.contains("V3__bad") && error.contains("22012"), "{error}");
    assert_eq!(
        value::<String>(&db, "SELECT outcome FROM refit.run ORDER BY id DESC LIMIT 1").await,
        "failed"
    );
}
