//! Failures that a backfill must survive. The statement is not idempotent (`n = n + 1`), and every row must end at exactly 1.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use refit::backfill::{JobStatus, Request, request};
use refit::{Backfills, ConnectOptions};
use refit_devdb::{Server, ServerOptions, StopMode, TestDb};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

use crate::support::{boot, clock, execute, execute_at, folder, migrator, server, until, value, value_at};

const LEASE: f64 = 2.0;

fn table(rows: u32) -> String {
    format!(
        "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, x text);\n\
         INSERT INTO t SELECT g FROM generate_series(1, {rows}) g;"
    )
}

/// Small batches, so that a failure can happen between many of them.
fn fill(more: &str) -> String {
    format!(
        "-- refit: backfill = {{ table = \"t\", key = [\"id\"], batch = 50, duration = \"2ms\", workers = 3{more} }}\n\
         UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2;"
    )
}

async fn status(url: &str) -> Option<JobStatus> {
    let client = refit::connect(url, &ConnectOptions::default()).await.unwrap();
    let status = JobStatus::of(&client, &crate::support::state(&client).await, 2).await.unwrap();
    client.close().await;
    status
}

async fn changed(url: &str) -> i64 {
    status(url).await.map_or(0, |status| status.rows_changed)
}

async fn ask(url: &str, what: Request) {
    let client = refit::connect(url, &ConnectOptions::default()).await.unwrap();
    request(&client, &crate::support::state(&client).await, 2, what).await.unwrap();
    client.close().await;
}

/// The number of rows per value of `n`.
async fn counts(url: &str) -> String {
    let sql = "SELECT string_agg(format('%s: %s', n, rows), ', ' ORDER BY n) FROM (SELECT n, count(*) AS rows FROM t GROUP BY n) c";
    value_at(url, sql).await
}

fn signal(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().unwrap()));
    kill_process(pid.unwrap(), signal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_survives_two_hundred_kills() {
    const ROWS: u32 = 400_000;
    let db = TestDb::empty().await.unwrap();
    let folder = folder(&[("V1__t.sql", &table(ROWS)), ("V2__fill.sql", &fill(""))]);
    let mut random = StdRng::seed_from_u64(5);
    let work = || boot::work(folder.path(), db.url(), LEASE);
    let mut workers = [work(), work()];
    until("the work begins", async || changed(db.url()).await > 0).await;
    let mut kills = 0;
    while kills < 200 {
        tokio::time::sleep(Duration::from_millis(random.random_range(1..80))).await;
        let worker = &mut workers[kills % 2];
        assert!(
            worker.try_wait().unwrap().is_none(),
            "complete after {kills} kills: the test needs more rows"
        );
        worker.kill().await.unwrap();
        *worker = work();
        kills += 1;
    }
    for worker in workers {
        let ended = boot::end(worker).await;
        assert!(ended.success, "{}", ended.stderr);
    }
    assert_eq!(counts(db.url()).await, format!("1: {ROWS}"));
    assert_eq!(status(db.url()).await.unwrap().rows_changed, i64::from(ROWS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_survives_repeated_connection_losses() {
    const ROWS: u32 = 150_000;
    let db = TestDb::empty().await.unwrap();
    let (table, fill) = (table(ROWS), fill(""));
    let url = db.url().to_owned();
    let cutter = tokio::spawn(async move {
        let client = refit::connect(&url, &ConnectOptions::default()).await.unwrap();
        let mut random = StdRng::seed_from_u64(7);
        let mut cut = 0_i64;
        // On a slow machine, connecting takes all the time between two cuts: after these cuts, the work continues undisturbed.
        while cut < 200 {
            tokio::time::sleep(Duration::from_millis(random.random_range(5..120))).await;
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'refit backfill%' \
                       AND datname = current_database()";
            cut += client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
            if client
                .query_one("SELECT coalesce((SELECT state = 'complete' FROM refit.backfill), false)", &[])
                .await
                .is_ok_and(|row| row.get(0))
            {
                break;
            }
        }
        cut
    });
    let files = [("V1__t.sql", table.as_str()), ("V2__fill.sql", &fill)];
    migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    let cut = cutter.await.unwrap();
    assert!(cut > 10, "{cut} connections were cut");
    assert_eq!(counts(db.url()).await, format!("1: {ROWS}"));
}

async fn off_thread(mut server: Server, what: impl FnOnce(&mut Server) + Send + 'static) -> Server {
    tokio::task::spawn_blocking(move || {
        what(&mut server);
        server
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_survives_a_server_crash() {
    const ROWS: u32 = 150_000;
    let mut server = server(ServerOptions { durable: true, ..ServerOptions::from_env() }).await;
    execute_at(&server.url("postgres"), "CREATE DATABASE crash").await;
    let url = server.url("crash");
    let folder = folder(&[("V1__t.sql", &table(ROWS)), ("V2__fill.sql", &fill(""))]);
    let worker = boot::work(folder.path(), &url, LEASE);
    for _ in 0..3 {
        let before = changed_or_none(&url).await;
        until("it continues", async || changed_or_none(&url).await > before).await;
        server = off_thread(server, |server| server.stop(StopMode::Immediate).unwrap()).await;
        server = off_thread(server, |server| server.restart().unwrap()).await;
    }
    let ended = boot::end(worker).await;
    assert!(ended.success, "{}", ended.stderr);
    assert_eq!(counts(&url).await, format!("1: {ROWS}"));
}

/// Like [`changed`], but 0 if the tables or the server are not available.
async fn changed_or_none(url: &str) -> i64 {
    let client = refit::connect(url, &ConnectOptions::default()).await.unwrap();
    let status = JobStatus::of(&client, &crate::support::state(&client).await, 2).await;
    client.close().await;
    status.ok().flatten().map_or(0, |status| status.rows_changed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_its_lease_cannot_commit() {
    const ROWS: u32 = 200_000;
    let db = TestDb::empty().await.unwrap();
    let folder = folder(&[("V1__t.sql", &table(ROWS)), ("V2__fill.sql", &fill(""))]);
    let sleeper = boot::work(folder.path(), db.url(), LEASE);
    until("the work begins", async || changed(db.url()).await > 0).await;
    signal(&sleeper, Signal::STOP);
    let held = "SELECT string_agg(format('%s/%s', id, token), ' ' ORDER BY id) FROM refit.backfill_range WHERE leased_until IS NOT NULL AND NOT done";
    let held: String = value(&db, held).await;
    let other = boot::work(folder.path(), db.url(), LEASE);
    let ended = boot::end(other).await;
    assert!(ended.success, "{}", ended.stderr);
    for (range, token) in held.split(' ').filter_map(|lease| lease.split_once('/')) {
        let now: i64 =
            value(&db, &format!("SELECT token FROM refit.backfill_range WHERE id = {range}")).await;
        assert!(now > token.parse().unwrap(), "range {range} was not taken over");
    }
    signal(&sleeper, Signal::CONT);
    let ended = boot::end(sleeper).await;
    assert!(ended.success, "{}", ended.stderr);
    assert_eq!(counts(db.url()).await, format!("1: {ROWS}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_takes_effect_within_a_second() {
    const ROWS: u32 = 200_000;
    let db = TestDb::empty().await.unwrap();
    let folder = folder(&[("V1__t.sql", &table(ROWS)), ("V2__fill.sql", &fill(""))]);
    let worker = boot::work(folder.path(), db.url(), LEASE);
    until("the work begins", async || changed(db.url()).await > 0).await;
    ask(db.url(), Request::Pause).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let paused = status(db.url()).await.unwrap();
    assert!(paused.is_paused() && paused.workers.is_empty(), "{paused}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(changed(db.url()).await, paused.rows_changed);
    assert!(paused.rows_changed < i64::from(ROWS));
    let asked = Instant::now();
    ask(db.url(), Request::Resume).await;
    until("it continues", async || changed(db.url()).await > paused.rows_changed).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let ended = boot::end(worker).await;
    assert!(ended.success, "{}", ended.stderr);
    assert_eq!(counts(db.url()).await, format!("1: {ROWS}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_written_while_the_backfill_runs_are_swept() {
    let db = TestDb::empty().await.unwrap();
    let table = (
        "V1__t.sql",
        "CREATE TABLE t (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, writes int NOT NULL DEFAULT 0); INSERT INTO t SELECT FROM generate_series(1, 60000)",
    );
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 200, duration = \"5ms\" }\n\
         UPDATE t SET n = coalesce(n, 0) + 1 WHERE id > $1 AND id <= $2 AND n IS NULL;",
    );
    let url = db.url().to_owned();
    migrator(&[table]).run(&url).await.unwrap();
    let writer = tokio::spawn(async move {
        let client = refit::connect(&url, &ConnectOptions::default()).await.unwrap();
        let until = Instant::now() + Duration::from_secs(4);
        let mut inserted = 0_i64;
        while Instant::now() < until {
            client.batch_execute("INSERT INTO t DEFAULT VALUES; UPDATE t SET writes = writes + 1 WHERE id = (SELECT id FROM t WHERE id > gen_random_uuid() ORDER BY id LIMIT 1)").await.unwrap();
            inserted += 1;
        }
        inserted
    });
    migrator(&[table, fill]).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let work = migrator(&[table, fill]).backfills(Backfills::Inline);
    work.run(db.url()).await.unwrap();
    let inserted = writer.await.unwrap();
    assert_eq!(counts(db.url()).await, format!("1: {}", 60_000 + inserted));
    assert!(inserted > 100);
    let status = status(db.url()).await.unwrap();
    assert!(status.pass > 0, "{status}");
}

#[tokio::test]
async fn a_statement_that_leaves_rows_unchanged_is_reported() {
    let db = TestDb::empty().await.unwrap();
    let files = [
        (
            "V1__t.sql",
            "CREATE TABLE t (id bigint PRIMARY KEY, n int, m int); INSERT INTO t SELECT g FROM generate_series(1, 2000) g",
        ),
        (
            "V2__fill.sql",
            "-- refit: backfill = { table = \"t\", key = [\"id\"], remaining = \"n IS NULL\" }\n\
             UPDATE t SET n = CASE WHEN id % 1000 <> 7 THEN 1 END WHERE id > $1 AND id <= $2 AND n IS NULL;",
        ),
    ];
    let error = migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("2 rows still meet `n IS NULL`"), "{error}");
    assert!(error.message().contains("The first: (7) (1007)"), "{error}");
    assert_eq!(status(db.url()).await.unwrap().pass, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_dropped_during_the_job_stops_it() {
    const ROWS: u32 = 200_000;
    let db = TestDb::empty().await.unwrap();
    let folder = folder(&[("V1__t.sql", &table(ROWS)), ("V2__fill.sql", &fill(""))]);
    let worker = boot::work(folder.path(), db.url(), LEASE);
    until("the work begins", async || changed(db.url()).await > 0).await;
    execute(&db, "ALTER TABLE t DROP CONSTRAINT t_pkey").await;
    let ended = boot::end(worker).await;
    assert!(
        !ended.success && ended.stderr.contains("rebuild it, then run `backfill resume`"),
        "{}",
        ended.stderr
    );
    execute(&db, "ALTER TABLE t ADD PRIMARY KEY (id)").await;
    ask(db.url(), Request::Resume).await;
    let ended = boot::end(boot::work(folder.path(), db.url(), LEASE)).await;
    assert!(ended.success, "{}", ended.stderr);
    assert_eq!(counts(db.url()).await, format!("1: {ROWS}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_standby_pauses_the_job_until_it_catches_up() {
    const ROWS: u32 = 1_500_000;
    let primary = server(ServerOptions::for_tests()).await;
    let url = primary.url("postgres");
    execute_at(&url, &table(ROWS)).await;
    let (primary, standby) =
        tokio::task::spawn_blocking(move || primary.standby().map(|standby| (primary, standby)).unwrap())
            .await
            .unwrap();
    let (url, replica) = (primary.url("postgres"), standby.url("postgres"));
    until("the standby follows", async || {
        value_at::<i64>(&replica, "SELECT count(*) FROM t").await == i64::from(ROWS)
    })
    .await;
    execute_at(&replica, "SELECT pg_wal_replay_pause()").await;
    let folder = folder(&[("V1__nothing.sql", "SELECT 1;"), ("V2__fill.sql", &fill(""))]);
    let worker = boot::work(folder.path(), &url, LEASE);
    until("the work stops", async || {
        status(&url).await.is_some_and(|status| {
            status.workers.is_empty() && status.throttle.is_some_and(|throttle| throttle.contains("behind"))
        })
    })
    .await;
    let stopped = changed(&url).await;
    assert!(stopped < i64::from(ROWS));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(changed(&url).await, stopped);
    execute_at(&replica, "SELECT pg_wal_replay_resume()").await;
    let ended = boot::end(worker).await;
    assert!(ended.success, "{}", ended.stderr);
    assert_eq!(counts(&url).await, format!("1: {ROWS}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_may_differ_by_an_hour() {
    const ROWS: u32 = 150_000;
    let folder_of_clock = tempfile::tempdir().unwrap();
    let Some(library) = clock::an_hour_ahead(&folder_of_clock) else {
        println!("skipped: there is no C compiler to make a wrong clock with");
        return;
    };
    let db = TestDb::empty().await.unwrap();
    let folder = folder(&[("V1__t.sql", &table(ROWS)), ("V2__fill.sql", &fill(""))]);
    let ahead = boot::command(folder.path(), db.url())
        .arg(LEASE.to_string())
        .env("LD_PRELOAD", library)
        .spawn()
        .unwrap();
    let right = boot::work(folder.path(), db.url(), LEASE);
    for worker in [ahead, right] {
        let ended = boot::end(worker).await;
        // No range was taken over from a running worker.
        assert!(ended.success && !ended.stderr.contains("taken the range over"), "{}", ended.stderr);
    }
    assert_eq!(counts(db.url()).await, format!("1: {ROWS}"));
}
