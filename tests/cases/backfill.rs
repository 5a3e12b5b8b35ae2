//! Backfills on real tables. The statement under test is not idempotent: every row must end at exactly 1.

use refit::backfill::{JobStatus, Request, request};
use refit::model::Strategy;
use refit::{Backfills, Error, Gate, Migrator};
use refit_devdb::TestDb;

use crate::support::{applied, execute, exists, migrator, value};

const GATED: (&str, &str) = ("V3__after.sql", "-- refit: after = [\"V2\"]\nCREATE TABLE after_it (id int);");

fn inline(files: &[(&str, &str)]) -> Migrator {
    migrator(files).backfills(Backfills::Inline)
}

/// The number of rows per value of `n`.
async fn counts(db: &TestDb) -> String {
    value(db, "SELECT string_agg(format('%s: %s', n, rows), ', ' ORDER BY n) FROM (SELECT n, count(*) AS rows FROM t GROUP BY n) c").await
}

async fn status(db: &TestDb, version: i64) -> JobStatus {
    let client = refit::connect(db.url(), &refit::ConnectOptions::default()).await.unwrap();
    let status =
        JobStatus::of(&client, &crate::support::state(&client).await, version).await.unwrap().unwrap();
    client.close().await;
    status
}

async fn ask(db: &TestDb, version: i64, what: Request) -> Result<(), Error> {
    let client = refit::connect(db.url(), &refit::ConnectOptions::default()).await.unwrap();
    let outcome = request(&client, &crate::support::state(&client).await, version, what).await;
    client.close().await;
    outcome
}

#[tokio::test]
async fn every_row_is_changed_once_for_every_kind_of_key() {
    for (table, key, statement, strategy) in [
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT g FROM generate_series(1, 30000) g",
            r#"key = ["id"]"#,
            "UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2",
            "keyset",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT g * 97 - 1500000 FROM generate_series(1, 30000) g",
            r#"key = ["id"]"#,
            "UPDATE t SET n = n + 1 WHERE $1 < id AND id <= $2",
            "keyset",
        ),
        (
            "CREATE TABLE t (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int NOT NULL DEFAULT 0); INSERT INTO t (n) SELECT 0 FROM generate_series(1, 30000) g",
            r#"key = ["id"]"#,
            "UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2",
            "keyset",
        ),
        (
            "CREATE TABLE t (a text, b timestamptz, n int NOT NULL DEFAULT 0, PRIMARY KEY (a, b)); \
             INSERT INTO t SELECT 'it''s ' || g % 7, '2026-01-01'::timestamptz + g * interval '1 ms' FROM generate_series(1, 30000) g",
            r#"key = ["a", "b"]"#,
            "UPDATE t SET n = n + 1 WHERE (a, b) > ($1, $2) AND (a, b) <= ($3, $4)",
            "keyset",
        ),
        (
            "CREATE TABLE t (id bigint, p int, n int NOT NULL DEFAULT 0, PRIMARY KEY (p, id)) PARTITION BY LIST (p); \
             CREATE TABLE t0 PARTITION OF t FOR VALUES IN (0); CREATE TABLE \"T 1\" PARTITION OF t FOR VALUES IN (1); \
             CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2); INSERT INTO t SELECT g, g % 2 FROM generate_series(1, 30000) g; \
             CREATE INDEX ON t (id)",
            r#"key = ["id"]"#,
            "UPDATE t SET n = n + 1 WHERE t.id > $1 AND t.id <= $2",
            "keyset",
        ),
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT g FROM generate_series(0, 299999) g",
            r#"key = ["id"]"#,
            "UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2 AND id % $3 = $4",
            "striped",
        ),
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)",
            r#"key = ["id"]"#,
            "UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2",
            "keyset",
        ),
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t VALUES (-9223372036854775808)",
            r#"key = ["id"]"#,
            "UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2",
            "keyset",
        ),
    ] {
        let db = TestDb::empty().await.unwrap();
        let text = format!(
            "-- refit: backfill = {{ table = \"t\", {key}, batch = 500, workers = 3 }}\n{statement};"
        );
        let report = inline(&[("V1__t.sql", table), ("V2__fill.sql", &text), GATED]).run(db.url()).await;
        let report = report.unwrap_or_else(|error| panic!("{table}: {error}"));
        let rows: i64 = value(&db, "SELECT count(*) FROM t").await;
        assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE n = 1").await, rows, "{table}: {report}");
        assert!(exists(&db, "after_it").await);
        let status = status(&db, 2).await;
        assert_eq!((status.state.as_str(), status.rows_changed), ("complete", rows), "{status}");
        assert_eq!(status.strategy.map(|chosen| chosen.as_str()), Some(strategy), "{status}");
        assert_eq!(report.backfills.len(), 1);
    }
}

#[tokio::test]
async fn a_gate_stays_closed_until_the_backfill_is_complete() {
    let db = TestDb::empty().await.unwrap();
    let table = (
        "V1__t.sql",
        "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT g FROM generate_series(1, 5000) g",
    );
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2;",
    );
    let files = [table, fill, GATED];
    let held = migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    assert_eq!(held.steps.len(), 2);
    assert_eq!(held.held[0].gate, Gate::Backfill { version: 2 });
    assert_eq!((applied(&db).await.as_str(), counts(&db).await.as_str()), ("1,2", "0: 5000"));
    // A second run does not register again, and the gate is still closed.
    let again = migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    assert_eq!((again.steps.len(), again.held.len()), (0, 1));
    let report = inline(&files).run(db.url()).await.unwrap();
    assert_eq!((report.steps.len(), report.held.len()), (1, 0));
    assert_eq!((applied(&db).await.as_str(), counts(&db).await.as_str()), ("1,2,3", "1: 5000"));
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM refit.backfill").await, 1);
}

#[tokio::test]
async fn failing_rows_are_set_aside_and_retried() {
    let db = TestDb::empty().await.unwrap();
    let table = (
        "V1__t.sql",
        "CREATE TABLE t (id bigint PRIMARY KEY, text text NOT NULL, n int NOT NULL DEFAULT 0); \
         INSERT INTO t SELECT g, CASE WHEN g % 2703 = 7 THEN 'x' ELSE '1' END FROM generate_series(1, 100000) g",
    );
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET n = n + text::int WHERE id > $1 AND id <= $2;",
    );
    let error = inline(&[table, fill, GATED]).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("37 rows failed and were set aside"), "{error}");
    let status_now = status(&db, 2).await;
    assert_eq!(
        (status_now.state.as_str(), status_now.errors, status_now.failed_rows.len()),
        ("incomplete", 37, 10)
    );
    assert_eq!(status_now.failed_rows[0].sqlstate, "22P02");
    assert_eq!(counts(&db).await, "0: 37, 1: 99963");
    assert!(!exists(&db, "after_it").await);
    execute(&db, "UPDATE t SET text = '1' WHERE text = 'x'").await;
    ask(&db, 2, Request::Retry).await.unwrap();
    inline(&[table, fill, GATED]).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 100000");
    assert!(exists(&db, "after_it").await);
    assert_eq!(status(&db, 2).await.errors, 0);
}

#[tokio::test]
async fn only_the_failing_row_of_a_stripe_is_set_aside() {
    let db = TestDb::empty().await.unwrap();
    let table = (
        "V1__t.sql",
        "CREATE TABLE t (id bigint PRIMARY KEY, text text NOT NULL, n int NOT NULL DEFAULT 0); \
         INSERT INTO t SELECT g, CASE WHEN g IN (123457, 123458, 7) THEN 'x' ELSE '1' END FROM generate_series(1, 300000) g",
    );
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], strategy = \"striped\" }\n\
         UPDATE t SET n = n + text::int WHERE id > $1 AND id <= $2 AND id % $3 = $4;",
    );
    let error = inline(&[table, fill]).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("3 rows failed and were set aside"), "{error}");
    let keys: String =
        value(&db, "SELECT string_agg(key[1], ',' ORDER BY key[1]::int) FROM refit.backfill_error").await;
    assert_eq!(keys, "7,123457,123458");
    assert_eq!(counts(&db).await, "0: 3, 1: 299997");
    execute(&db, "UPDATE t SET text = '1' WHERE text = 'x'").await;
    ask(&db, 2, Request::Retry).await.unwrap();
    inline(&[table, fill]).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 300000");
}

#[tokio::test]
async fn too_many_failing_rows_or_a_wrong_statement_stop_the_job() {
    let table = "CREATE TABLE t (id bigint PRIMARY KEY, text text, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT g, 'x' FROM generate_series(1, 20000) g";
    for (statement, expected) in [
        ("UPDATE t SET n = text::int WHERE id > $1 AND id <= $2", "more than `errors = 5` allows"),
        ("UPDATE t SET nn = 1 WHERE id > $1 AND id <= $2", "column \"nn\""),
    ] {
        let db = TestDb::empty().await.unwrap();
        let text = format!(
            "-- refit: backfill = {{ table = \"t\", key = [\"id\"], errors = 5, batch = 100 }}\n{statement};"
        );
        let error = inline(&[("V1__t.sql", table), ("V2__fill.sql", &text)]).run(db.url()).await.unwrap_err();
        assert!(error.message().contains(expected), "{statement}: {error}");
        assert_eq!(status(&db, 2).await.state.as_str(), "failed");
        assert!(counts(&db).await.contains("0: 20000"));
    }
}

#[tokio::test]
async fn unsupported_tables_are_refused_with_a_hint() {
    for (table, directive, statement, expected) in [
        (
            "CREATE TABLE t (id bigint, n int)",
            r#"table = "t", key = ["id"]"#,
            "UPDATE t SET n = 1 WHERE id > $1 AND id <= $2",
            "CREATE INDEX CONCURRENTLY",
        ),
        (
            "CREATE TABLE t (id bigint UNIQUE, n int); INSERT INTO t VALUES (NULL)",
            r#"table = "t", key = ["id"]"#,
            "UPDATE t SET n = 1 WHERE id > $1 AND id <= $2",
            "have a null in the key",
        ),
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, n int)",
            r#"table = "u", key = ["id"]"#,
            "UPDATE t SET n = 1 WHERE id > $1 AND id <= $2",
            "there is no table u",
        ),
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, n int)",
            r#"table = "t", key = ["x"]"#,
            "UPDATE t SET n = 1 WHERE id > $1 AND id <= $2",
            "has no column x",
        ),
        (
            "CREATE VIEW t AS SELECT 1 AS id, 0 AS n",
            r#"table = "t", key = ["id"]"#,
            "UPDATE t SET n = 1 WHERE id > $1 AND id <= $2",
            "not an ordinary or partitioned table",
        ),
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, u int, n int); INSERT INTO t SELECT g, g FROM generate_series(1, 30000) g; \
             CREATE TABLE look (u int, v int); INSERT INTO look SELECT g, g FROM generate_series(1, 30000) g; ANALYZE t, look",
            r#"table = "t", key = ["id"], batch = 100"#,
            "UPDATE t SET n = v FROM look WHERE t.id > $1 AND t.id <= $2 AND look.u = t.u",
            "read all of look",
        ),
    ] {
        let db = TestDb::empty().await.unwrap();
        let text = format!("-- refit: backfill = {{ {directive} }}\n{statement};");
        let error = inline(&[("V1__t.sql", table), ("V2__fill.sql", &text)]).run(db.url()).await.unwrap_err();
        assert!(error.message().contains(expected), "{table}: {error}");
        assert_eq!(status(&db, 2).await.state.as_str(), "failed");
    }
}

#[tokio::test]
async fn a_table_without_a_key_is_backfilled_by_heap_order() {
    let db = TestDb::empty().await.unwrap();
    let table = (
        "V1__t.sql",
        "CREATE TABLE t (a int, n int); INSERT INTO t SELECT g FROM generate_series(1, 50000) g",
    );
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"ctid\"], remaining = \"n IS NULL\", batch = 1000 }\n\
         UPDATE t SET n = 1 WHERE ctid > $1 AND ctid <= $2 AND n IS NULL;",
    );
    inline(&[table, fill]).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 50000");
    assert_eq!(status(&db, 2).await.strategy, Some(Strategy::Heap));
}

#[tokio::test]
async fn the_journal_keeps_what_is_overwritten() {
    let db = TestDb::empty().await.unwrap();
    let table = (
        "V1__t.sql",
        "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, \"Old\" text); INSERT INTO t SELECT g, g, 'was ' || g FROM generate_series(1, 30000) g",
    );
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], undo = [\"n\", \"Old\"] }\n\
         UPDATE t AS x SET n = 1, \"Old\" = NULL WHERE x.id > $1 AND x.id <= $2;",
    );
    inline(&[table, fill]).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 30000");
    let journal: String = value(&db, "SELECT journal FROM refit.backfill").await;
    let kept = format!(
        "SELECT count(*) FROM {journal} WHERE \"old n\" = id AND \"old Old\" = 'was ' || id AND \"new n\" = 1 AND \"new Old\" IS NULL"
    );
    assert_eq!(value::<i64>(&db, &kept).await, 30_000);
}

#[tokio::test]
async fn a_function_can_be_a_backfill() {
    let db = TestDb::empty().await.unwrap();
    let table = (
        "V1__t.sql",
        "CREATE TABLE t (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int NOT NULL DEFAULT 0); INSERT INTO t (n) SELECT 0 FROM generate_series(1, 10000) g",
    );
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 300 }\n-- Done by a function of the service.\n",
    );
    let alone = inline(&[table, fill]).run(db.url()).await.unwrap_err();
    assert!(alone.to_string().contains("registers none"), "{alone}");
    let with = inline(&[table, fill]).backfill_with(2, |batch| {
        Box::pin(async move {
            let keys: Vec<String> = batch.keys().await?.into_iter().flatten().collect();
            let sql = "UPDATE t SET n = n + 1 WHERE id = ANY ($1::text[]::uuid[])";
            Ok(batch.client().execute(sql, &[&keys]).await?)
        })
    });
    with.run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 10000");
}
