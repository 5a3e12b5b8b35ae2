//! An interrupt ends a run wherever it waits or cleans up, and an accepted edit reaches a process that is running.

use std::time::Duration;

use refit::backfill::{Request, request};
use refit::{Backfills, Error, HistoryChange, Interrupt, Migrator, Rollback};
use refit_devdb::TestDb;

use crate::support::outside::{PARTITIONED, TABLE, kill_at, outside};
use crate::support::{applied, exists, migrator, set, state, until, value};

const COUNT: (&str, &str) = (
    "V2__count.sql",
    "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 20, undo = [\"a\"] }\n\
     UPDATE t SET a = a + 1 WHERE id > $1 AND id <= $2;",
);
const MANY: (&str, &str) = (
    "V1__t.sql",
    "CREATE TABLE t (id int PRIMARY KEY, a int);\nINSERT INTO t SELECT g, 1 FROM generate_series(1, 200) g;",
);

/// Triggers the switch once `ready`, and waits a few seconds for the run to end.
async fn stopped<T>(
    interrupt: Interrupt,
    run: impl Future<Output = Result<T, Error>>,
    ready: impl AsyncFnMut() -> bool,
) -> Error {
    let stop = async {
        until("the run waits", ready).await;
        interrupt.trigger();
    };
    let both = async { tokio::join!(Box::pin(run), stop) };
    let (outcome, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("it continues");
    let Err(error) = outcome else { panic!("it completed") };
    assert!(matches!(error, Error::Interrupted { .. }), "{error}");
    error
}

fn switched(files: &[(&str, &str)]) -> (Migrator, Interrupt) {
    let interrupt = Interrupt::new();
    (migrator(files).backfills(Backfills::Inline).interrupt(interrupt.clone()), interrupt)
}

#[tokio::test]
async fn an_interrupt_ends_the_wait_for_a_paused_job() {
    let db = TestDb::empty().await.unwrap();
    let files = [MANY, COUNT];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let client = db.connect().await.unwrap();
    let state = state(&client).await;
    request(&client, &state, 2, Request::Pause).await.unwrap();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let idle: i64 = value(&db, sessions).await;
    let (paused, interrupt) = switched(&files);
    let another = async || value::<i64>(&db, sessions).await > idle;
    stopped(interrupt, paused.run(db.url()), another).await;
    request(&client, &state, 2, Request::Resume).await.unwrap();
    migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    // A rollback: a locked row keeps it from completing, so that it can be paused.
    let holder = db.connect().await.unwrap();
    holder.batch_execute("BEGIN; SELECT FROM t WHERE id = 1 FOR UPDATE").await.unwrap();
    let (back, interrupt) = switched(&files);
    let rollback = Rollback { to: 1, ..Default::default() };
    let undoing = "SELECT count(*) FROM refit.backfill WHERE kind = 'undo' AND state = 'running'";
    let mut asked = false;
    let ready = async || {
        if value::<i64>(&db, undoing).await == 1 && !asked {
            request(&client, &state, 2, Request::Pause).await.unwrap();
            holder.batch_execute("COMMIT").await.unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
            asked = true;
        }
        asked
    };
    stopped(interrupt, back.rollback(db.url(), &rollback), ready).await;
    request(&client, &state, 2, Request::Resume).await.unwrap();
    migrator(&files).rollback(db.url(), &rollback).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT sum(a) FROM t").await, 200);
}

/// The search for remaining rows may take minutes.
#[tokio::test]
async fn an_interrupt_cancels_the_last_search_for_rows() {
    let db = TestDb::empty().await.unwrap();
    let slow = "-- refit: backfill = { table = \"t\", key = [\"id\"], remaining = \"a = 1 AND pg_sleep(30) IS NOT NULL\" }\n\
                UPDATE t SET a = 2 WHERE id > $1 AND id <= $2 AND id < 200;";
    let files = [MANY, ("V2__slow.sql", slow)];
    let looks =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let (run, interrupt) = switched(&files);
    let sleeping = async || value::<i64>(&db, looks).await == 1;
    stopped(interrupt, run.run(db.url()), sleeping).await;
    assert_eq!(value::<i64>(&db, looks).await, 0);
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE a = 2").await, 199);
}

#[tokio::test]
async fn an_interrupt_ends_the_wait_for_an_upgrade_of_the_state() {
    let db = TestDb::empty().await.unwrap();
    let holder = db.connect().await.unwrap();
    let key = refit::lock_key("state refit");
    holder.batch_execute(&format!("SELECT pg_advisory_lock({key})")).await.unwrap();
    let (run, interrupt) = switched(&[MANY]);
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
    stopped(interrupt, run.run(db.url()), async || value::<i64>(&db, locks).await > 1).await;
    assert!(!exists(&db, "t").await);
}

#[tokio::test]
async fn an_interrupt_cancels_the_completion_of_a_detach_and_a_drop_of_an_index() {
    let db = TestDb::empty().await.unwrap();
    let detach = outside("ALTER TABLE play DETACH PARTITION play_1 CONCURRENTLY;");
    let files = [PARTITIONED, ("V2__detach.sql", &*detach)];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    let reader = db.connect().await.unwrap();
    reader.batch_execute("BEGIN; SELECT * FROM play").await.unwrap();
    let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    kill_at(&db, &files, "ALTER TABLE play", async || value::<i64>(&db, pending).await == 1).await;
    reader.batch_execute("COMMIT; BEGIN; SELECT * FROM play_1").await.unwrap();
    let (run, interrupt) = switched(&files);
    let waits = |text: &str| {
        format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '{text}%' \
                 AND wait_event_type = 'Lock')"
        )
    };
    let finalizing = waits("ALTER TABLE%FINALIZE");
    stopped(interrupt, run.run(db.url()), async || value(&db, &finalizing).await).await;
    assert_eq!(applied(&db).await, "1");
    reader.batch_execute("COMMIT").await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();

    let db = TestDb::empty().await.unwrap();
    let index = outside("CREATE INDEX CONCURRENTLY t_a ON t (a);");
    let files = [TABLE, ("V2__ix.sql", &*index)];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    let writer = db.connect().await.unwrap();
    writer.batch_execute("BEGIN; UPDATE t SET a = 2").await.unwrap();
    kill_at(&db, &files, "CREATE INDEX", async || exists(&db, "t_a").await).await;
    let (run, interrupt) = switched(&files);
    let dropping = waits("DROP INDEX CONCURRENTLY");
    stopped(interrupt, run.run(db.url()), async || value(&db, &dropping).await).await;
    assert_eq!(applied(&db).await, "1");
    writer.batch_execute("COMMIT").await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, 0);
}

/// An index of a TOAST table that an attempt has left is dropped with those of the table.
#[tokio::test]
async fn a_reindex_drops_what_it_left_on_a_toast_table() {
    let db = TestDb::empty().await.unwrap();
    let reindex = outside("SET lock_timeout = '100ms';\nREINDEX TABLE CONCURRENTLY t;");
    let files = [
        (
            "V1__t.sql",
            "CREATE TABLE t (id int PRIMARY KEY, a int, b text);\nINSERT INTO t VALUES (1, 1, 'x');",
        ),
        ("V2__re.sql", &*reindex),
    ];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    let writer = db.connect().await.unwrap();
    writer.batch_execute("BEGIN; UPDATE t SET a = 2").await.unwrap();
    migrator(&files).lock_attempts(3).run(db.url()).await.unwrap_err();
    let left = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert!(value::<i64>(&db, left).await > 0);
    writer.batch_execute("COMMIT").await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, left).await, 0);
}

/// The process that runs the old text uses the new one from its next batch on.
#[tokio::test]
async fn an_accepted_edit_reaches_a_running_process() {
    let db = TestDb::empty().await.unwrap();
    let text = |number: u32| {
        format!(
            "-- refit: backfill = {{ table = \"t\", key = [\"id\"], batch = 10, workers = 1 }}\n\
             UPDATE t SET a = {number} WHERE id > $1 AND id <= $2 AND a = 1 AND pg_sleep(0.02) IS NOT NULL;"
        )
    };
    let (before, after) = (text(7), text(8));
    let (old, new) = ([MANY, ("V2__set.sql", &*before)], [MANY, ("V2__set.sql", &*after)]);
    let working = migrator(&old).backfills(Backfills::Inline);
    let editing = async {
        let done = "SELECT count(*) FROM t WHERE a = 7";
        until("some rows are changed", async || exists(&db, "t").await && value::<i64>(&db, done).await > 20)
            .await;
        let found = |files: &[(&str, &str)]| set(files).migration(2).unwrap().checksum;
        let accept = HistoryChange::Accept {
            version: 2,
            name: "set".to_owned(),
            applied: found(&old),
            found: found(&new),
        };
        let client = db.connect().await.unwrap();
        migrator(&new).change_history(&client, &[accept]).await.unwrap();
        value::<i64>(&db, done).await
    };
    let (ran, at_most) =
        tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(working.run(db.url()), editing) })
            .await
            .expect("it continues");
    // The history no longer matches the files of that process; its rows are complete.
    ran.ok();
    migrator(&new).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    let rows = "SELECT count(*) FILTER (WHERE a = 7) || ' ' || count(*) FILTER (WHERE a = 8) FROM t";
    let rows: String = value(&db, rows).await;
    let (old_rows, new_rows) = rows.split_once(' ').unwrap();
    let (old_rows, new_rows): (i64, i64) = (old_rows.parse().unwrap(), new_rows.parse().unwrap());
    assert_eq!(old_rows + new_rows, 200, "{rows}");
    assert!(old_rows <= at_most + 10 && new_rows > 0, "{rows}, {at_most} when it was accepted");
}
