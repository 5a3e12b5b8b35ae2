//! Sessions that cannot, or need not, run batches: idle workers, roles without privileges, read-only servers; and standbys.

use std::time::{Duration, Instant};

use refit::{Backfills, Error};
use refit_devdb::{ServerOptions, StopMode, TestDb};

use super::{SONGS, fill};
use crate::support::{execute, execute_at, migrator, server, until, value, value_at};

const SLOW: &str = "UPDATE song SET n = 1 FROM pg_sleep(0.05) WHERE id > $1 AND id <= $2 AND n IS NULL";
const BUSY: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'refit backfill%'";

#[tokio::test(flavor = "multi_thread")]
async fn idle_workers_hold_no_connection() {
    let db = TestDb::empty().await.unwrap();
    let tables = SONGS.replace("100)", "3000)");
    let fill = fill(r#"table = "song", key = ["id"], batch = 10, duration = "1ms", workers = 2"#, SLOW);
    let files = [("V1__tables.sql", tables.as_str()), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let processes = (0..8).map(|_| {
        let (migrator, url) = (migrator(&files), db.url().to_owned());
        tokio::spawn(async move { migrator.run_backfills(&url).await })
    });
    let processes: Vec<_> = processes.collect();
    let mut looks = Vec::new();
    while !processes.iter().all(tokio::task::JoinHandle::is_finished) {
        looks.push(value::<i64>(&db, BUSY).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for process in processes {
        process.await.unwrap().unwrap();
    }
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 3000);
    // Each process may open one session for a moment when it starts or when a range is taken over.
    looks.sort_unstable();
    let (usual, most) = (looks[looks.len() / 2], looks[looks.len() - 1]);
    assert!(
        looks.len() > 20 && usual <= 3 && most <= 2 + 8,
        "{usual}, at most {most} sessions of 2 workers: {looks:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_standby_pauses_the_job_until_it_is_back() {
    let primary = server(ServerOptions::for_tests()).await;
    let url = primary.url("postgres");
    let tables = SONGS.replace("100)", "20000)");
    let fill = fill(r#"table = "song", key = ["id"], batch = 10, duration = "1ms", workers = 1"#, SLOW);
    let files = [("V1__tables.sql", tables.as_str()), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Hold).run(&url).await.unwrap();
    let (_primary, mut standby) =
        tokio::task::spawn_blocking(move || primary.standby().map(|standby| (primary, standby)).unwrap())
            .await
            .unwrap();
    let follows = "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL)";
    until("the standby follows", async || value_at::<bool>(&url, follows).await).await;
    let working = {
        let (migrator, url) = (migrator(&files), url.clone());
        tokio::spawn(async move { migrator.run_backfills(&url).await })
    };
    let changed = "SELECT count(n) FROM song";
    until("work has begun", async || value_at::<i64>(&url, changed).await > 100).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut standby = tokio::task::spawn_blocking(move || {
        standby.stop(StopMode::Immediate).unwrap();
        standby
    })
    .await
    .unwrap();
    let gone = "SELECT coalesce(throttle, '') LIKE 'the standby %disappeared%' FROM refit.backfill";
    until("the throttle reports it", async || value_at::<bool>(&url, gone).await).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before: i64 = value_at(&url, changed).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(value_at::<i64>(&url, changed).await, before, "work continued without the standby");
    let _standby = tokio::task::spawn_blocking(move || {
        standby.restart().unwrap();
        standby
    })
    .await
    .unwrap();
    until("work continues", async || value_at::<i64>(&url, changed).await > before).await;
    working.abort();
}

/// A role without privileges of its own, and its URL.
async fn guest(db: &TestDb) -> (String, String) {
    let role = format!("guest_of_{}", db.name());
    execute(db, &format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON refinery_schema_history TO {role}"))
        .await;
    let url = db.url().replace("//postgres@", &format!("//{role}@"));
    (role, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_privileges_leaves_the_job_and_names_the_grants() {
    let db = TestDb::empty().await.unwrap();
    let tables = "CREATE SCHEMA app; CREATE TABLE app.song (id int PRIMARY KEY, n int) PARTITION BY RANGE (id); \
         CREATE TABLE app.\"song 1\" PARTITION OF app.song FOR VALUES FROM (1) TO (51); \
         CREATE TABLE app.song_2 PARTITION OF app.song FOR VALUES FROM (51) TO (101); \
         CREATE TABLE app.other (id int); INSERT INTO app.other VALUES (1); \
         INSERT INTO app.song SELECT generate_series(1, 100);";
    let fill = fill(
        r#"table = "app.song", key = ["id"], undo = ["n"]"#,
        "UPDATE app.song SET n = (SELECT id FROM app.other) WHERE id > $1 AND id <= $2 AND n IS NULL",
    );
    let files = [("V1__tables.sql", tables), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let (_, url) = guest(&db).await;
    let mut attempts = 0;
    // Each message names the missing privileges: after they are granted, the work completes.
    loop {
        let outcome = migrator(&files).run_backfills(&url).await;
        let Err(error) = outcome else { break };
        let text = error.message();
        assert_eq!(error.sqlstate(), Some("42501"), "{text}");
        let state: String = value(&db, "SELECT state FROM refit.backfill").await;
        assert!(state == "registered" || state == "running", "{state}: {text}");
        let grants: Vec<&str> = text.split('`').filter(|part| part.starts_with("GRANT ")).collect();
        assert!(!grants.is_empty(), "{text}");
        execute(&db, &grants.join("; ")).await;
        attempts += 1;
        assert!(attempts < 8, "{text}");
    }
    assert!(attempts > 1, "no privilege was missing");
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "complete");
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM app.song").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_privileges_ends_and_the_others_continue() {
    let db = TestDb::empty().await.unwrap();
    let tables = SONGS.replace("100)", "1000)");
    let fill = fill(r#"table = "song", key = ["id"], batch = 10, duration = "1ms", workers = 3"#, SLOW);
    let files = [("V1__tables.sql", tables.as_str()), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let (role, url) = guest(&db).await;
    let rights = format!(
        "GRANT ALL ON SCHEMA refit TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA refit TO {role}; GRANT SELECT ON song TO {role}"
    );
    execute(&db, &rights).await;
    let owner = {
        let (migrator, url) = (migrator(&files), db.url().to_owned());
        tokio::spawn(async move { migrator.run_backfills(&url).await })
    };
    until("work has begun", async || value::<i64>(&db, "SELECT count(n) FROM song").await > 50).await;
    owner.abort();
    let error = migrator(&files).run_backfills(&url).await.unwrap_err();
    assert!(error.message().contains("GRANT UPDATE ON public.song TO"), "{error}");
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "running");
    migrator(&files).run_backfills(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_write_refuses_an_unfinished_backfill() {
    let db = TestDb::empty().await.unwrap();
    let fill = fill(r#"table = "song", key = ["id"]"#, "UPDATE song SET n = 1 WHERE id > $1 AND id <= $2");
    let files = [("V1__tables.sql", SONGS), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let read_only = |on: bool| {
        let set =
            if on { "SET default_transaction_read_only = on" } else { "RESET default_transaction_read_only" };
        format!("ALTER DATABASE {} {set}", db.name())
    };
    execute(&db, &read_only(true)).await;
    for inline in [false, true] {
        let began = Instant::now();
        let migrator = migrator(&files).backfills(Backfills::Inline);
        let error =
            if inline { migrator.run(db.url()).await } else { migrator.run_backfills(db.url()).await };
        let error = error.unwrap_err();
        assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
        let text = error.message();
        assert!(text.contains("the session is read-only, and 1 backfill is unfinished: V2__fill"), "{text}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    let back = format!("BEGIN READ WRITE; {}; COMMIT", read_only(false));
    execute(&db, &back).await;
    migrator(&files).run_backfills(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_wait_a_limited_time_for_a_read_only_server() {
    let db = TestDb::empty().await.unwrap();
    let tables = SONGS.replace("100)", "600)");
    let fill = fill(r#"table = "song", key = ["id"], batch = 10, duration = "1ms", workers = 1"#, SLOW);
    let files = [("V1__tables.sql", tables.as_str()), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let working = {
        let (migrator, url) = (migrator(&files).lease(Duration::from_secs(2)), db.url().to_owned());
        tokio::spawn(async move { migrator.run_backfills(&url).await })
    };
    until("work has begun", async || value::<i64>(&db, "SELECT count(n) FROM song").await > 50).await;
    let end = format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on; SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
        db.name()
    );
    execute(&db, &end).await;
    let error = tokio::time::timeout(Duration::from_secs(60), working).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "running");
}

#[tokio::test]
async fn a_standby_refuses_an_unfinished_backfill() {
    let primary = server(ServerOptions::for_tests()).await;
    let url = primary.url("postgres");
    let fill = fill(r#"table = "song", key = ["id"]"#, "UPDATE song SET n = 1 WHERE id > $1 AND id <= $2");
    let files = [("V1__tables.sql", SONGS), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Hold).run(&url).await.unwrap();
    let (_primary, standby) =
        tokio::task::spawn_blocking(move || primary.standby().map(|standby| (primary, standby)).unwrap())
            .await
            .unwrap();
    let replica = standby.url("postgres");
    let registered = "SELECT to_regclass('refit.backfill') IS NOT NULL AND pg_is_in_recovery()";
    until("the standby follows", async || value_at::<bool>(&replica, registered).await).await;
    let error = migrator(&files).backfills(Backfills::Inline).run(&replica).await.unwrap_err();
    assert!(error.message().contains("hot standby, and 1 backfill is unfinished: V2__fill"), "{error}");
    execute_at(&url, "SELECT 1").await;
}
