//! An interrupted run cancels its statement, sends nothing more, and reports what was applied; a step leaves nothing in the session
//! for the next one; a step that cannot be applied yet is held back.

use std::time::Duration;

use refit::{Backfills, Error, Interrupt};
use refit_devdb::TestDb;

use crate::support::{advisory_locks, applied, boot, execute, exists, folder, migrator, until, value};

const SLEEPS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state = 'active' \
                      AND datname = current_database() AND pid <> pg_backend_pid())";

async fn interrupted(db: &TestDb, files: &[(&str, &str)]) -> Error {
    let interrupt = Interrupt::new();
    let migrator = migrator(files).interrupt(interrupt.clone());
    let run = migrator.run(db.url());
    let stop = async {
        until("the statement runs", async || value::<bool>(db, SLEEPS).await).await;
        interrupt.trigger();
    };
    let (outcome, ()) = tokio::join!(run, stop);
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error}");
    assert!(!value::<bool>(db, SLEEPS).await, "the statement is still running");
    assert_eq!(advisory_locks(db).await, 0);
    error
}

#[tokio::test]
async fn the_step_and_the_one_sent_after_it_are_canceled() {
    let db = TestDb::empty().await.unwrap();
    let files = [
        ("V1__a.sql", "CREATE TABLE a (id int);"),
        ("V2__slow.sql", "CREATE TABLE b (id int); SELECT pg_sleep(30);"),
        ("V3__c.sql", "CREATE TABLE c (id int);"),
    ];
    let error = interrupted(&db, &files).await.to_string();
    assert!(error.contains("V2__slow") && error.contains("rolled back"), "{error}");
    assert_eq!(applied(&db).await, "1");
    assert!(!exists(&db, "b").await && !exists(&db, "c").await);
}

#[tokio::test]
async fn an_interrupted_step_outside_a_transaction_resumes() {
    let db = TestDb::empty().await.unwrap();
    let slow = "-- refit: transaction = false\nCREATE TABLE a (id int);\nSELECT pg_sleep(30) WHERE NOT EXISTS (SELECT FROM a);\n\
                CREATE TABLE c (id int);";
    let files = [("V1__slow.sql", slow), ("V2__d.sql", "CREATE TABLE d (id int);")];
    let error = interrupted(&db, &files).await.to_string();
    assert!(error.contains("its first 1 statements are applied"), "{error}");
    assert!(exists(&db, "a").await && !exists(&db, "c").await && !exists(&db, "d").await);
    execute(&db, "INSERT INTO a VALUES (1)").await;
    migrator(&files).run(db.url()).await.unwrap();
    assert!(exists(&db, "c").await && exists(&db, "d").await);
}

#[tokio::test]
async fn a_dropped_run_cancels_its_statement() {
    let db = TestDb::empty().await.unwrap();
    let files = [
        ("V1__slow.sql", "CREATE TABLE a (id int); SELECT pg_sleep(30);"),
        ("V2__b.sql", "CREATE TABLE b ();"),
    ];
    let migrator = migrator(&files);
    tokio::select! {
        _ = migrator.run(db.url()) => panic!("it ended"),
        () = until("the statement runs", async || value::<bool>(&db, SLEEPS).await) => {}
    }
    until("it is canceled", async || !value::<bool>(&db, SLEEPS).await).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!exists(&db, "a").await && !exists(&db, "b").await);
}

#[tokio::test]
async fn session_state_does_not_leak_into_the_next_step() {
    let db = TestDb::empty().await.unwrap();
    let leave = "PREPARE left_behind AS SELECT 1; LISTEN left_behind; SELECT pg_advisory_lock(42); CREATE TEMP TABLE left_behind ();\
                 SET work_mem = '1MB'; SET search_path = pg_catalog;";
    let look = |version: i32| {
        format!(
            "CREATE TABLE look{version} AS SELECT (SELECT count(*) FROM pg_prepared_statements WHERE from_sql) AS prepared, \
             (SELECT count(*) FROM pg_listening_channels()) AS listening, \
             (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42) AS locks, \
             to_regclass('pg_temp.left_behind') IS NULL AS gone, current_setting('search_path') AS path;"
        )
    };
    let outside = format!("-- refit: transaction = false\n{leave}");
    let (first, second) = (look(2), look(4));
    let files = [
        ("V1__leave.sql", leave),
        ("V2__look.sql", first.as_str()),
        ("V3__leave.sql", outside.as_str()),
        ("V4__look.sql", second.as_str()),
    ];
    // Statements outside a transaction may not create temporary objects.
    let without = outside.replace(" CREATE TEMP TABLE left_behind ();", "");
    let files = [files[0], files[1], ("V3__leave.sql", without.as_str()), files[3]];
    migrator(&files).run(db.url()).await.unwrap();
    for table in ["look2", "look4"] {
        let seen: String = value(
            &db,
            &format!("SELECT format('%s %s %s %s %s', prepared, listening, locks, gone, path) FROM {table}"),
        )
        .await;
        assert_eq!(seen, "0 0 0 t \"$user\", public", "{table}");
    }
    assert_eq!(advisory_locks(&db).await, 0);
}

/// The caller's own locks, temporary tables and prepared statements are kept.
#[tokio::test]
async fn the_callers_session_objects_are_kept() {
    let db = TestDb::empty().await.unwrap();
    let client = db.connect().await.unwrap();
    client.batch_execute("SELECT pg_advisory_lock(7); CREATE TEMP TABLE mine (); PREPARE mine AS SELECT 1; SET search_path = public").await.unwrap();
    let files = [("V1__a.sql", "CREATE TABLE a (); PREPARE theirs AS SELECT 2;")];
    migrator(&files).apply(&client).await.unwrap();
    let sql = "SELECT format('%s %s %s %s', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7), \
               to_regclass('pg_temp.mine') IS NOT NULL, (SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'), \
               current_setting('search_path'))";
    let seen: String = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(seen, "1 t 1 public");
}

#[tokio::test]
async fn a_transaction_of_the_caller_is_neither_ended_nor_used() {
    let db = TestDb::empty().await.unwrap();
    let all = migrator(&[("V1__a.sql", "CREATE TABLE a ();")]);
    all.clone().to(1).run(db.url()).await.unwrap();
    let next = migrator(&[("V1__a.sql", "CREATE TABLE a ();"), ("V2__b.sql", "CREATE TABLE b ();")]);
    let client = db.connect().await.unwrap();
    client.batch_execute("BEGIN; CREATE TABLE mine ()").await.unwrap();
    // What needs a single SELECT works in any transaction.
    all.apply(&client).await.unwrap();
    for error in [
        next.plan(&client).await.unwrap_err(),
        next.status(&client).await.unwrap_err(),
        next.apply(&client).await.unwrap_err(),
        next.lock(&client).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::InTransaction), "{error}");
    }
    client.batch_execute("ROLLBACK").await.unwrap();
    assert!(!exists(&db, "mine").await && !exists(&db, "b").await);
    next.apply(&client).await.unwrap();
    assert!(exists(&db, "b").await);
}

#[tokio::test]
async fn steps_that_need_a_held_migration_wait_and_backfills_continue() {
    let db = TestDb::empty().await.unwrap();
    let files = [
        (
            "V1__song.sql",
            "CREATE TABLE song (id int PRIMARY KEY, raw text, bpm int);\nINSERT INTO song SELECT g, g::text FROM generate_series(1, 50) g;",
        ),
        (
            "V2__bpm.sql",
            "-- refit: backfill = { table = \"song\", key = [\"id\"] }\nUPDATE song SET bpm = raw::int WHERE id > $1 AND id <= $2 AND bpm IS NULL;",
        ),
        ("V3__rename.sql", "-- refit: after = [\"V2\"]\nALTER TABLE song RENAME COLUMN bpm TO tempo;"),
        ("V4__needs.sql", "CREATE INDEX song_tempo ON song (tempo);"),
        ("V5__other.sql", "-- refit: depends = [\"V3\"]\nCREATE TABLE other ();"),
        ("R__fast.sql", "CREATE OR REPLACE VIEW fast AS SELECT id FROM song WHERE tempo > 120;"),
        ("R__free.sql", "CREATE OR REPLACE VIEW free AS SELECT id FROM song;"),
    ];
    let report = migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let held: Vec<&str> = report.held.iter().map(|held| held.stem.as_str()).collect();
    assert_eq!(held, ["V3__rename", "V5__other", "V4__needs", "R__fast"], "{report}");
    assert!(exists(&db, "free").await && !exists(&db, "other").await);
    let report = migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    assert!(report.held.is_empty(), "{report}");
    assert_eq!(applied(&db).await, "1,2,3,4,5");
    assert!(exists(&db, "fast").await && exists(&db, "song_tempo").await);
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM song WHERE tempo::text = raw").await, 50);
}

#[tokio::test]
async fn a_step_outside_a_transaction_also_waits_for_a_held_one() {
    let db = TestDb::empty().await.unwrap();
    let files = [
        (
            "V1__t.sql",
            "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT generate_series(1, 20);",
        ),
        (
            "V2__n.sql",
            "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET n = 1 WHERE id > $1 AND id <= $2 AND n IS NULL;",
        ),
        ("V3__m.sql", "-- refit: after = [\"V2\"]\nALTER TABLE t ADD m int;"),
        ("V4__m.sql", "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY t_m ON t (m);"),
    ];
    migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3,4");
    assert!(exists(&db, "t_m").await);
}

#[tokio::test]
async fn an_older_release_does_not_apply_its_repeatable_migrations_again() {
    let db = TestDb::empty().await.unwrap();
    let song = ("V1__song.sql", "CREATE TABLE song (id int, year int);");
    let older = [song, ("R__songs.sql", "CREATE OR REPLACE VIEW songs AS SELECT id FROM song;")];
    let newer = [song, ("R__songs.sql", "CREATE OR REPLACE VIEW songs AS SELECT id, year FROM song;")];
    let newest = [newer[0], newer[1], ("V2__disc.sql", "CREATE TABLE disc ();")];
    for files in [&older[..], &newer[..]] {
        migrator(files).run(db.url()).await.unwrap();
    }
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'songs'";
    let report = migrator(&older).run(db.url()).await.unwrap();
    assert_eq!(
        (report.steps.len(), report.held.len(), value::<i64>(&db, columns).await),
        (0, 1, 2),
        "{report}"
    );
    migrator(&newest).run(db.url()).await.unwrap();
    // Nor does it apply any other text if the database has versions that are not in its set.
    let other = [song, ("R__songs.sql", "CREATE OR REPLACE VIEW songs AS SELECT year FROM song;")];
    let report = migrator(&other).run(db.url()).await.unwrap();
    assert_eq!(
        (report.steps.len(), report.held.len(), value::<i64>(&db, columns).await),
        (0, 1, 2),
        "{report}"
    );
}

/// SIGKILL of a process that runs a down file outside a transaction.
#[tokio::test]
async fn an_interrupted_down_file_is_a_refusal_in_every_plan() {
    let db = TestDb::empty().await.unwrap();
    let files = [
        ("V1__a.sql", "CREATE TABLE a ();"),
        ("V2__two.sql", "CREATE TABLE disc (); CREATE TABLE label ();"),
        (
            "V2__two.down.sql",
            "-- refit: transaction = false\nDROP TABLE disc;\nSELECT pg_sleep(CASE WHEN to_regclass('go') IS NULL THEN 30 ELSE 0 END);\nDROP TABLE label;",
        ),
    ];
    migrator(&files).run(db.url()).await.unwrap();
    let folder = folder(&files);
    let mut process = boot::go_back(folder.path(), db.url(), 5.0, 1);
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%THEN 30%' AND state = 'active' AND pid <> pg_backend_pid())";
    until("the down file runs", async || value::<bool>(&db, waits).await).await;
    process.start_kill().unwrap();
    boot::end(process).await;
    execute(&db, "CREATE TABLE go (); SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%THEN 30%' AND pid <> pg_backend_pid()").await;
    let plan = migrator(&files).plan(&db.connect().await.unwrap()).await.unwrap();
    assert!(!plan.is_up_to_date() && plan.refusals.len() == 1, "{plan}");
    let error = migrator(&files).run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    let rollback = refit::Rollback { to: 1, ..Default::default() };
    migrator(&files).rollback(db.url(), &rollback).await.unwrap();
    assert!(!exists(&db, "label").await);
    migrator(&files).run(db.url()).await.unwrap();
    assert!(exists(&db, "disc").await && exists(&db, "label").await);
}

#[tokio::test]
async fn warnings_of_migrations_are_reported() {
    let db = TestDb::empty().await.unwrap();
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let said = heard.clone();
    let files = [
        (
            "V1__a.sql",
            "DO $$ BEGIN RAISE WARNING 'three rows\x1b[31m are odd'; RAISE NOTICE 'all is well'; END $$;",
        ),
        ("V2__b.sql", "-- refit: transaction = false\nDO $$ BEGIN RAISE WARNING 'and one more'; END $$;"),
    ];
    let migrator = migrator(&files).observe(move |event| {
        if let refit::Event::Notice { notice, .. } = event {
            said.lock().unwrap().push(format!("{}: {}", notice.severity, notice.message));
        }
    });
    let report = migrator.run(db.url()).await.unwrap();
    assert_eq!(report.warnings, ["three rows\\u{1b}[31m are odd", "and one more"]);
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard.contains(&"NOTICE: all is well".to_owned()), "{heard:?}");
}
