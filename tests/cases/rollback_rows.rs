//! Rollback of rows that were changed in batches. The statement is not idempotent: forward adds exactly 1, and undo restores exactly
//! the earlier values.

use std::time::Duration;

use refit::backfill::{JobStatus, Request, request};
use refit::{Backfills, Error, Migrator, Rollback, RollbackReport};
use refit_devdb::TestDb;

use crate::support::{applied, boot, execute, exists, folder, migrator, until, value};

pub(super) const TABLE: (&str, &str) = (
    "V1__t.sql",
    "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT g FROM generate_series(1, 20000) g",
);
const FILL: (&str, &str) = (
    "V2__fill.sql",
    "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 500, undo = [\"n\"] }\nUPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2;",
);
const GATED: (&str, &str) = ("V3__after.sql", "-- refit: after = [\"V2\"]\nCREATE TABLE after_it (id int);");
const GATED_DOWN: (&str, &str) = ("V3__after.down.sql", "DROP TABLE after_it;");
pub(super) const FILES: [(&str, &str); 4] = [TABLE, FILL, GATED, GATED_DOWN];

pub(super) fn inline(files: &[(&str, &str)]) -> Migrator {
    migrator(files).backfills(Backfills::Inline)
}

pub(super) async fn back(db: &TestDb, files: &[(&str, &str)]) -> Result<RollbackReport, Error> {
    migrator(files).rollback(db.url(), &Rollback { to: 1, ..Rollback::default() }).await
}

async fn digest(db: &TestDb) -> String {
    value(db, "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM t").await
}

pub(super) async fn status(db: &TestDb) -> JobStatus {
    let client = db.connect().await.unwrap();
    JobStatus::of(&client, &crate::support::state(&client).await, 2).await.unwrap().unwrap()
}

async fn counts(db: &TestDb) -> String {
    value(db, "SELECT string_agg(format('%s: %s', n, rows), ', ' ORDER BY n) FROM (SELECT n, count(*) AS rows FROM t GROUP BY n) c").await
}

#[tokio::test]
async fn rows_are_restored_for_every_kind_of_key() {
    for (table, key, statement, rows) in [
        (
            "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g * 97 - 1500000, CASE WHEN g % 3 > 0 THEN g END FROM generate_series(1, 30000) g",
            r#"["id"]"#,
            "UPDATE t SET n = coalesce(n, 0) + 1 WHERE $1 < id AND id <= $2",
            30_000,
        ),
        (
            "CREATE TABLE t (id text PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT 'it''s ' || md5(g::text) FROM generate_series(1, 20000) g",
            r#"["id"]"#,
            "UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2",
            20_000,
        ),
        (
            "CREATE TABLE t (a text, \"B\" timestamptz, n int NOT NULL DEFAULT 0, PRIMARY KEY (a, \"B\")); \
             INSERT INTO t SELECT 'a ' || g % 7, '2026-01-01'::timestamptz + g * interval '1 ms' FROM generate_series(1, 20000) g",
            r#"["a", "B"]"#,
            "UPDATE t SET n = n + 1 WHERE (a, \"B\") > ($1, $2) AND (a, \"B\") <= ($3, $4)",
            20_000,
        ),
        (
            "CREATE TABLE t (id bigint, p int, n int NOT NULL DEFAULT 0, PRIMARY KEY (p, id)) PARTITION BY LIST (p); \
             CREATE TABLE t0 PARTITION OF t FOR VALUES IN (0); CREATE TABLE \"T 1\" PARTITION OF t FOR VALUES IN (1); \
             INSERT INTO t SELECT g / 2, g % 2 FROM generate_series(1, 20000) g",
            r#"["p", "id"]"#,
            "UPDATE t SET n = n + 1 WHERE (p, t.id) > ($1, $2) AND (p, t.id) <= ($3, $4)",
            20_000,
        ),
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT g FROM generate_series(0, 149999) g",
            r#"["id"]"#,
            "UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2 AND id % $3 = $4",
            150_000,
        ),
        (
            "CREATE TABLE t (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n json); INSERT INTO t (n) SELECT '{\"a\":  1}' FROM generate_series(1, 5000) g",
            r#"["id"]"#,
            "UPDATE t SET n = '{\"a\": 2}' WHERE id > $1 AND id <= $2",
            5_000,
        ),
    ] {
        let db = TestDb::empty().await.unwrap();
        let fill = format!(
            "-- refit: backfill = {{ table = \"t\", key = {key}, batch = 500, workers = 3, undo = [\"n\"] }}\n{statement};"
        );
        let files = [("V1__t.sql", table), ("V2__fill.sql", &fill), GATED, GATED_DOWN];
        migrator(&files).to(1).run(db.url()).await.unwrap();
        let before = digest(&db).await;
        let mut after = None;
        for round in 1..=2 {
            inline(&files).run(db.url()).await.unwrap_or_else(|error| panic!("{table}: {error}"));
            assert!(exists(&db, "after_it").await);
            let forward = digest(&db).await;
            assert_ne!(forward, before);
            assert_eq!(*after.get_or_insert(forward.clone()), forward, "{table}, round {round}");
            let report = back(&db, &files).await.unwrap_or_else(|error| panic!("{table}: {error}"));
            assert_eq!(digest(&db).await, before, "{table}, round {round}");
            let [job] = &report.backfills[..] else { panic!("{report}") };
            assert_eq!(
                (job.kind.as_str(), job.rows_changed, job.changed_since),
                ("undo", rows, 0),
                "{report}"
            );
            assert_eq!(applied(&db).await, "1");
        }
    }
}

#[tokio::test]
async fn rows_changed_since_are_left_and_listed() {
    let db = TestDb::empty().await.unwrap();
    inline(&FILES).run(db.url()).await.unwrap();
    execute(
        &db,
        "UPDATE t SET n = 100 + n WHERE id % 4000 = 7; DELETE FROM t WHERE id % 5000 = 0; INSERT INTO t VALUES (30000, 5)",
    )
    .await;
    let report = back(&db, &FILES).await.unwrap();
    assert_eq!(counts(&db).await, "0: 19991, 5: 1, 101: 5");
    let job = &report.backfills[0];
    let keys: Vec<&str> = job.changed_keys.iter().map(|key| key[0].as_str()).collect();
    assert_eq!((job.changed_since, keys), (5, vec!["7", "4007", "8007", "12007", "16007"]));
    assert_eq!(job.rows_changed, 19_991);
    // They stay listed, and another backfill and rollback does not change them.
    assert_eq!(status(&db).await.changed_since, 5);
    inline(&FILES).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 19991, 6: 1, 102: 5");
    assert_eq!(back(&db, &FILES).await.unwrap().backfills[0].changed_since, 0);
    assert_eq!(counts(&db).await, "0: 19991, 5: 1, 101: 5");
}

/// A backfill that is slow enough to be observed in both directions.
const SLOW_TABLE: (&str, &str) = (
    "V1__t.sql",
    "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT g FROM generate_series(1, 6000) g; \
     CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.0003); RETURN NEW; END $$; \
     CREATE TRIGGER slow BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION slow()",
);
const SLOW_FILL: (&str, &str) = (
    "V2__fill.sql",
    "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 100, duration = \"30ms\", undo = [\"n\"] }\n\
     UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2;",
);
const SLOW: [(&str, &str); 4] = [SLOW_TABLE, SLOW_FILL, GATED, GATED_DOWN];

const RESTORED: &str = "SELECT coalesce((SELECT sum(rows_changed) FROM refit.backfill_range r JOIN refit.backfill b ON b.id = backfill_id \
     WHERE kind = 'undo'), 0)::int8";

#[tokio::test]
async fn a_killed_rollback_resumes() {
    let db = TestDb::empty().await.unwrap();
    let folder = folder(&SLOW);
    inline(&SLOW).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 6000");
    let mut kills = 0;
    while kills < 4 {
        let before: i64 = value(&db, RESTORED).await;
        let mut process = boot::go_back(folder.path(), db.url(), 1.0, 1);
        until("rows are restored", async || {
            value::<i64>(&db, RESTORED).await > before || process.try_wait().unwrap().is_some()
        })
        .await;
        process.start_kill().unwrap();
        assert!(boot::end(process).await.killed, "it ended before it was killed");
        kills += 1;
        // The gate is closed, and no other run repeats the backfill that is being undone.
        let report = migrator(&SLOW).backfills(Backfills::Hold).run(db.url()).await.unwrap();
        assert_eq!((report.steps.len(), report.held.len()), (0, 1), "{report}");
        let error = inline(&SLOW).run(db.url()).await.unwrap_err().message();
        assert!(error.contains("it is being rolled back"), "{error}");
    }
    let rows: i64 = value(&db, RESTORED).await;
    assert!(rows > 0 && rows < 6_000, "{rows}");
    let report = back(&db, &SLOW).await.unwrap();
    assert_eq!(report.backfills[0].rows_changed, 6_000);
    assert_eq!((counts(&db).await.as_str(), applied(&db).await.as_str()), ("0: 6000", "1"));
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM refit.backfill WHERE kind = 'undo'").await, 1);
}

#[tokio::test]
async fn a_running_backfill_is_stopped_first() {
    let db = TestDb::empty().await.unwrap();
    let folder = folder(&SLOW);
    let process = boot::work(folder.path(), db.url(), 30.0);
    let some = "SELECT to_regclass('refit.backfill_range') IS NOT NULL";
    until("it is registered", async || value::<bool>(&db, some).await).await;
    let running = "SELECT coalesce(sum(rows_changed), 0) > 500 FROM refit.backfill_range";
    until("it runs", async || value::<bool>(&db, running).await).await;
    let report = back(&db, &SLOW).await.unwrap();
    assert_eq!((counts(&db).await.as_str(), applied(&db).await.as_str()), ("0: 6000", "1"));
    let restored = report.backfills[0].rows_changed;
    assert!(restored > 500 && restored < 6_000, "{restored}");
    let ended = boot::end(process).await;
    assert!(!ended.killed);
    let states: String =
        value(&db, "SELECT string_agg(kind || ' ' || state, ', ' ORDER BY id) FROM refit.backfill").await;
    assert_eq!(states, "forward canceled, undo complete");
    // No worker has continued forward.
    assert_eq!(counts(&db).await, "0: 6000");
    inline(&SLOW).run(db.url()).await.unwrap();
    assert_eq!((counts(&db).await.as_str(), applied(&db).await.as_str()), ("1: 6000", "1,2,3"));
}

#[tokio::test]
async fn rows_are_restored_before_the_down_file_runs() {
    let db = TestDb::empty().await.unwrap();
    let down = (
        "V2__fill.down.sql",
        "-- What the rows are when this runs.\nCREATE TABLE seen AS SELECT sum(n) AS n FROM t;",
    );
    let files = [TABLE, FILL, down, GATED, GATED_DOWN];
    // A backfill that has not begun has nothing to restore.
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    assert!(back(&db, &files).await.unwrap().backfills.is_empty());
    assert_eq!(value::<i64>(&db, "SELECT n FROM seen").await, 0);
    execute(&db, "DROP TABLE seen").await;
    inline(&files).run(db.url()).await.unwrap();
    assert_eq!(counts(&db).await, "1: 20000");
    back(&db, &files).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT n FROM seen").await, 0);
    execute(&db, "DROP TABLE seen").await;
    // With `leave_rows`, the rows are not restored.
    inline(&files).run(db.url()).await.unwrap();
    let leave = Rollback { to: 1, leave_rows: vec![2], ..Default::default() };
    migrator(&files).rollback(db.url(), &leave).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT n FROM seen").await, 20_000);
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn a_backfill_without_journal_needs_a_down_file() {
    let db = TestDb::empty().await.unwrap();
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2;",
    );
    inline(&[TABLE, fill]).run(db.url()).await.unwrap();
    let error = back(&db, &[TABLE, fill]).await.unwrap_err().message();
    assert!(error.contains("V2__fill.sql is a backfill that keeps no earlier values"), "{error}");
    assert!(error.contains("V2__fill.down.sql") && error.contains("--leave-rows 2"), "{error}");
    let down = ("V2__fill.down.sql", "UPDATE t SET n = n - 1;");
    back(&db, &[TABLE, fill, down]).await.unwrap();
    assert_eq!(counts(&db).await, "0: 20000");
    inline(&[TABLE, fill, down]).run(db.url()).await.unwrap();
    assert_eq!((counts(&db).await.as_str(), applied(&db).await.as_str()), ("1: 20000", "1,2"));
}

#[tokio::test]
async fn rows_that_cannot_be_restored_are_set_aside_and_retried() {
    let db = TestDb::empty().await.unwrap();
    inline(&FILES).run(db.url()).await.unwrap();
    execute(&db, "ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0 OR id NOT IN (77, 7777)) NOT VALID").await;
    let error = back(&db, &FILES).await.unwrap_err();
    assert!(matches!(error, Error::Backfill { version: 2, .. }), "{error}");
    assert!(error.message().contains("2 rows failed and were set aside"), "{error}");
    let left = status(&db).await;
    assert_eq!((left.kind.as_str(), left.state.as_str(), left.errors), ("undo", "incomplete", 2));
    // Newer migrations are undone, the backfill is not.
    assert_eq!((applied(&db).await.as_str(), counts(&db).await.as_str()), ("1,2", "0: 19998, 1: 2"));
    assert_eq!(back(&db, &FILES).await.unwrap_err().message(), error.message(), "the rows fail again");
    execute(&db, "ALTER TABLE t DROP CONSTRAINT c").await;
    back(&db, &FILES).await.unwrap();
    assert_eq!((applied(&db).await.as_str(), counts(&db).await.as_str()), ("1", "0: 20000"));
    // With `leave_rows`, the failed rows keep their values.
    inline(&FILES).run(db.url()).await.unwrap();
    execute(&db, "ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0 OR id NOT IN (77, 7777)) NOT VALID").await;
    back(&db, &FILES).await.unwrap_err();
    let leave = Rollback { to: 1, leave_rows: vec![2], ..Default::default() };
    migrator(&FILES).rollback(db.url(), &leave).await.unwrap();
    assert_eq!((applied(&db).await.as_str(), counts(&db).await.as_str()), ("1", "0: 19998, 1: 2"));
    let newest = "SELECT kind || state || coalesce(journal, '') FROM refit.backfill ORDER BY id DESC LIMIT 1";
    assert_eq!(value::<String>(&db, newest).await, "undocomplete");
    execute(&db, "ALTER TABLE t DROP CONSTRAINT c; UPDATE t SET n = 0").await;
    inline(&FILES).run(db.url()).await.unwrap();
    assert_eq!((applied(&db).await.as_str(), counts(&db).await.as_str()), ("1,2,3", "1: 20000"));
}

/// No write is lost: a row that was written before its batch keeps the forward value; in one that was written after its batch, the
/// write is applied to the earlier value.
#[tokio::test]
async fn concurrent_writes_are_not_lost() {
    let db = TestDb::empty().await.unwrap();
    inline(&SLOW).run(db.url()).await.unwrap();
    execute(&db, "CREATE TABLE written (id bigint)").await;
    let client = db.connect().await.unwrap();
    let done = std::cell::Cell::new(false);
    let going = async {
        let report = back(&db, &SLOW).await.unwrap();
        done.set(true);
        report
    };
    let writing = async {
        while !done.get() {
            let sql = "WITH w AS (UPDATE t SET n = n + 1000 WHERE id = 1 + (random() * 5999)::int RETURNING id) \
                       INSERT INTO written SELECT id FROM w";
            client.execute(sql, &[]).await.unwrap();
        }
    };
    let (report, ()) = tokio::join!(going, writing);
    let job = &report.backfills[0];
    let wrong = "SELECT count(*) FROM t LEFT JOIN (SELECT id, count(*) AS times FROM written GROUP BY id) w USING (id) \
                     LEFT JOIN (SELECT id AS left_alone FROM refit.backfill_undo_1) j ON left_alone = id \
                 WHERE n <> coalesce(times, 0) * 1000 + CASE WHEN left_alone IS NULL THEN 0 ELSE 1 END";
    assert_eq!(value::<i64>(&db, wrong).await, 0);
    assert!(job.changed_since > 0, "{report}");
    assert_eq!(job.changed_since + job.rows_changed, 6_000);
}

#[tokio::test]
async fn disconnected_workers_continue_and_a_disconnected_run_is_resumed() {
    let db = TestDb::empty().await.unwrap();
    inline(&SLOW).run(db.url()).await.unwrap();
    let client = db.connect().await.unwrap();
    let cut = async |who: &str| {
        let before: i64 = value(&db, RESTORED).await;
        until("rows are restored", async || value::<i64>(&db, RESTORED).await > before).await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name LIKE $1";
        assert!(!client.query(sql, &[&who]).await.unwrap().is_empty(), "{who}");
    };
    let cutting = async {
        cut("refit backfill%").await;
        cut("refit backfill%").await;
        cut("refit V2%").await;
    };
    let (outcome, ()) = tokio::join!(back(&db, &SLOW), cutting);
    let error = outcome.unwrap_err().message();
    assert!(error.contains("again"), "{error}");
    assert_eq!(applied(&db).await, "1,2");
    back(&db, &SLOW).await.unwrap();
    assert_eq!((counts(&db).await.as_str(), applied(&db).await.as_str()), ("0: 6000", "1"));
}

#[tokio::test]
async fn a_rollback_can_be_paused_and_canceled() {
    let db = TestDb::empty().await.unwrap();
    inline(&SLOW).run(db.url()).await.unwrap();
    let client = db.connect().await.unwrap();
    let asked = async {
        until("it runs", async || value::<i64>(&db, RESTORED).await > 0).await;
        request(&client, &crate::support::state(&client).await, 2, Request::Pause).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let paused: i64 = value(&db, RESTORED).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(value::<i64>(&db, RESTORED).await, paused);
        request(&client, &crate::support::state(&client).await, 2, Request::Cancel).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(back(&db, &SLOW), asked);
    let error = outcome.unwrap_err().message();
    assert!(error.contains("its rollback was canceled"), "{error}");
    assert_eq!(applied(&db).await, "1,2");
    back(&db, &SLOW).await.unwrap();
    assert_eq!(counts(&db).await, "0: 6000");
}
