//! Backfills that must not begin, roles and servers that cannot do the work, and figures that must not mislead.

use std::time::{Duration, Instant};

use refit::backfill::{JobStatus, Subject, preview};
use refit::model::{MigrationSet, SourceFile};
use refit::{Backfills, ConnectOptions, Error, Report};
use refit_devdb::{ServerOptions, StopMode, TestDb};

use crate::support::{execute, execute_at, exists, migrator, server, set, until, value, value_at};

const SONGS: &str = "CREATE TABLE song (id int PRIMARY KEY, \"No\" int UNIQUE, n int); \
     INSERT INTO song SELECT g, g FROM generate_series(1, 100) g;";
const UNTOUCHED: &str = "SELECT count(*) = 100 AND min(id) = 1 AND max(id) = 100 AND count(n) = 0 FROM song";

fn fill(directive: &str, statement: &str) -> String {
    format!("-- refit: backfill = {{ {directive} }}\n{statement};")
}

async fn run(db: &TestDb, tables: &str, directive: &str, statement: &str) -> Result<Report, Error> {
    let fill = fill(directive, statement);
    let files = [("V1__tables.sql", tables), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Inline).run(db.url()).await
}

/// Runs a backfill that must be recorded as failed without having changed a row; answers why.
async fn fails(tables: &str, directive: &str, statement: &str, untouched: &str) -> String {
    let db = TestDb::empty().await.unwrap();
    let error = run(&db, tables, directive, statement).await.unwrap_err();
    let state: String = value(&db, "SELECT concat(state, ': ', error) FROM refit.backfill").await;
    assert!(state.starts_with("failed: "), "{statement}: {state}; {error}");
    assert!(value::<bool>(&db, untouched).await, "{statement}: rows were changed");
    state
}

#[tokio::test]
async fn a_backfill_that_sets_its_own_key_is_refused_before_anything_runs() {
    const BATCH: &str = "WHERE id > $1 AND id <= $2";
    for (key, statement) in [
        ("id", format!("UPDATE song SET id = id + 1000 {BATCH}")),
        ("id", format!("UPDATE public.SONG s SET n = 1, (\"id\") = ROW(s.id + 1000) {BATCH}")),
        ("id", format!("UPDATE ONLY song SET (n, ID) = (1, id + 1000) {BATCH}")),
        ("No", "UPDATE song SET \"No\" = \"No\" + 1000 WHERE \"No\" > $1 AND \"No\" <= $2".to_owned()),
        (
            "id",
            format!("WITH m AS (UPDATE song SET id = id + 1000 {BATCH} RETURNING id) SELECT count(*) FROM m"),
        ),
        ("id", format!("INSERT INTO song (id) SELECT id + 1000 FROM song {BATCH} ON CONFLICT DO NOTHING")),
        (
            "id",
            format!(
                "INSERT INTO song SELECT * FROM song {BATCH} ON CONFLICT (id) DO UPDATE SET id = song.id + 1000"
            ),
        ),
    ] {
        let db = TestDb::empty().await.unwrap();
        let directive = format!("table = \"song\", key = [\"{key}\"]");
        let error = run(&db, SONGS, &directive, &statement).await.unwrap_err();
        assert!(matches!(error, Error::Backfill { version: 2, .. }), "{statement}: {error}");
        let nothing = !exists(&db, "song").await && !exists(&db, "refinery_schema_history").await;
        assert!(nothing, "{statement}: something was applied");
    }
}

#[tokio::test]
async fn what_only_the_server_shows_to_move_a_key_fails_before_a_row_changes() {
    const BATCH: &str = "WHERE id > $1 AND id <= $2";
    let song = r#"table = "song", key = ["id"]"#;
    let view = format!(
        "{SONGS} CREATE VIEW songs AS SELECT * FROM song; CREATE VIEW all_songs AS SELECT * FROM songs"
    );
    let through = format!("UPDATE all_songs SET id = id + 1000 {BATCH}");
    let why = fails(&view, song, &through, UNTOUCHED).await;
    assert!(why.contains("a column of its own key"), "{why}");
    let trigger = format!(
        "{SONGS} CREATE FUNCTION renumber() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := NEW.id + 1000; RETURN NEW; END $$; \
         CREATE TRIGGER renumber BEFORE UPDATE OF n ON song FOR EACH ROW EXECUTE FUNCTION renumber()"
    );
    let plain = format!("UPDATE song SET n = 1 {BATCH}");
    let why = fails(&trigger, song, &plain, UNTOUCHED).await;
    assert!(why.contains("the trigger renumber changes id"), "{why}");
    let generated = "CREATE TABLE song (a int, id int GENERATED ALWAYS AS (a * 2) STORED UNIQUE); \
         INSERT INTO song SELECT generate_series(1, 100); ALTER TABLE song ALTER a SET NOT NULL";
    let why = fails(
        generated,
        song,
        &format!("UPDATE song SET a = a + 1000 {BATCH}"),
        "SELECT max(a) = 100 FROM song",
    )
    .await;
    assert!(why.contains("its generation expression changes id"), "{why}");
    let parts = "CREATE TABLE song (id int, at int, n int) PARTITION BY RANGE (abs(at)); CREATE INDEX ON song (id); \
         CREATE TABLE song_1 PARTITION OF song FOR VALUES FROM (0) TO (50); CREATE TABLE song_2 PARTITION OF song FOR VALUES FROM (50) TO (200); \
         INSERT INTO song SELECT g, g - 1 FROM generate_series(1, 100) g; ALTER TABLE song ALTER id SET NOT NULL";
    let why =
        fails(parts, song, &format!("UPDATE song SET at = at + 50 {BATCH}"), "SELECT max(at) = 99 FROM song")
            .await;
    assert!(why.contains("by which public.song is partitioned") || why.contains("is partitioned"), "{why}");
}

#[tokio::test]
async fn a_trigger_that_numbers_new_rows_does_not_keep_a_backfill_from_its_table() {
    let tables = format!(
        "{SONGS} CREATE SEQUENCE s START 1000; CREATE FUNCTION number() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF TG_OP = 'INSERT' THEN NEW.id := nextval('s'); ELSE NEW.id := OLD.id; END IF; NEW.id := coalesce(NEW.id, 1); RETURN NEW; END $$; \
         CREATE TRIGGER number BEFORE INSERT OR UPDATE ON song FOR EACH ROW EXECUTE FUNCTION number()"
    );
    let db = TestDb::empty().await.unwrap();
    let statement = "UPDATE song SET n = coalesce(n, 0) + 1 WHERE id > $1 AND id <= $2";
    run(&db, &tables, r#"table = "song", key = ["id"]"#, statement).await.unwrap();
    assert_eq!(value::<String>(&db, "SELECT concat(sum(n), ' ', max(id)) FROM song").await, "100 100");
}

#[tokio::test]
async fn what_can_never_be_restored_or_walked_ends_with_a_reason() {
    let tables = "CREATE TABLE song (id int PRIMARY KEY, n int, g int GENERATED ALWAYS AS (n + 1) STORED, i int GENERATED ALWAYS AS IDENTITY); \
         INSERT INTO song SELECT generate_series(1, 100)";
    let statement = "UPDATE song SET n = 1 WHERE id > $1 AND id <= $2";
    for (column, expected) in
        [("g", "which is generated"), ("i", "GENERATED ALWAYS AS IDENTITY"), ("x", "does not exist")]
    {
        let directive = format!(r#"table = "song", key = ["id"], undo = ["n", "{column}"]"#);
        let why = fails(tables, &directive, statement, "SELECT count(n) = 0 FROM song").await;
        assert!(why.contains(expected) && why.contains(column), "{why}");
    }
    for (made, made_of) in [
        ("CREATE TYPE place AS (x int, y int)", "row(g, g)::place"),
        ("CREATE TYPE pair AS (x int, y int); CREATE DOMAIN place AS pair", "row(g, g)::pair"),
    ] {
        let tables = format!(
            "{made}; CREATE TABLE song (id place PRIMARY KEY, n int); INSERT INTO song SELECT {made_of} FROM generate_series(1, 100) g"
        );
        let why =
            fails(&tables, r#"table = "song", key = ["id"]"#, statement, "SELECT count(n) = 0 FROM song")
                .await;
        assert!(why.contains("composite type"), "{why}");
    }
    // What cannot be asked for when it is done ends the job as well.
    let zero = r#"table = "song", key = ["id"], remaining = "1 / (n - n) > 0""#;
    let db = TestDb::empty().await.unwrap();
    let error = run(&db, SONGS, zero, "UPDATE song SET n = 1 WHERE id > $1 AND id <= $2").await.unwrap_err();
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "failed", "{error}");
}

#[test]
fn too_many_workers_are_an_error_of_the_folder() {
    let text =
        fill(r#"table = "t", key = ["id"], workers = 65"#, "UPDATE t SET n = 1 WHERE id > $1 AND id <= $2");
    let file = SourceFile::new("V1__fill.sql", text.into_bytes());
    let error = MigrationSet::from_files("migrations", vec![file]).unwrap_err().to_string();
    assert!(error.contains("`workers` is at most 64"), "{error}");
}

const SLOW: &str = "UPDATE song SET n = 1 FROM pg_sleep(0.05) WHERE id > $1 AND id <= $2 AND n IS NULL";
const BUSY: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'refit backfill%'";

#[tokio::test(flavor = "multi_thread")]
async fn workers_without_work_hold_no_connection() {
    let db = TestDb::empty().await.unwrap();
    let tables = SONGS.replace("100)", "3000)");
    let fill = fill(r#"table = "song", key = ["id"], batch = 10, duration = "1ms", workers = 2"#, SLOW);
    let files = [("V1__tables.sql", tables.as_str()), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let processes = (0..8).map(|_| {
        let (migrator, url) = (migrator(&files), db.url().to_owned());
        tokio::spawn(async move { migrator.work(&url).await })
    });
    let processes: Vec<_> = processes.collect();
    let (mut most, mut looks) = (0, 0);
    while !processes.iter().all(tokio::task::JoinHandle::is_finished) {
        most = most.max(value::<i64>(&db, BUSY).await);
        looks += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for process in processes {
        process.await.unwrap().unwrap();
    }
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 3000);
    // A process may look at the moment at which a range changes hands.
    assert!(looks > 20 && most <= 6, "{most} sessions of 2 workers in {looks} looks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_disappears_stops_the_work_until_it_is_back() {
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
        tokio::spawn(async move { migrator.work(&url).await })
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
    until("the throttle says so", async || value_at::<bool>(&url, gone).await).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before: i64 = value_at(&url, changed).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(value_at::<i64>(&url, changed).await, before, "work went on without the standby");
    let _standby = tokio::task::spawn_blocking(move || {
        standby.restart().unwrap();
        standby
    })
    .await
    .unwrap();
    until("work goes on", async || value_at::<i64>(&url, changed).await > before).await;
    working.abort();
}

/// A role without rights of its own, and its URL.
async fn guest(db: &TestDb) -> (String, String) {
    let role = format!("guest_of_{}", db.name());
    execute(db, &format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON refinery_schema_history TO {role}"))
        .await;
    let url = db.url().replace("//postgres@", &format!("//{role}@"));
    (role, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_rights_leaves_the_job_to_others_and_says_what_to_grant() {
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
    // Each message says what is missing: whoever grants it comes to the end.
    loop {
        let outcome = migrator(&files).work(&url).await;
        let Err(error) = outcome else { break };
        let text = error.to_string();
        assert_eq!(error.sqlstate(), Some("42501"), "{text}");
        let state: String = value(&db, "SELECT state FROM refit.backfill").await;
        assert!(state == "registered" || state == "running", "{state}: {text}");
        let grants: Vec<&str> = text.split('`').filter(|part| part.starts_with("GRANT ")).collect();
        assert!(!grants.is_empty(), "{text}");
        execute(&db, &grants.join("; ")).await;
        attempts += 1;
        assert!(attempts < 8, "{text}");
    }
    assert!(attempts > 1, "nothing was missing");
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "complete");
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM app.song").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_rights_ends_and_the_others_go_on() {
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
        tokio::spawn(async move { migrator.work(&url).await })
    };
    until("work has begun", async || value::<i64>(&db, "SELECT count(n) FROM song").await > 50).await;
    owner.abort();
    let error = migrator(&files).work(&url).await.unwrap_err();
    assert!(error.to_string().contains("GRANT UPDATE ON public.song TO"), "{error}");
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "running");
    migrator(&files).work(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn estimates_from_stale_statistics_do_not_promise_the_end() {
    let db = TestDb::empty().await.unwrap();
    // Pages without rows, as the planner knows them, that are filled again.
    let tables = "CREATE TABLE song (id int PRIMARY KEY, n int, text text DEFAULT repeat('x', 200)) WITH (autovacuum_enabled = false); \
         INSERT INTO song SELECT generate_series(1, 20000); DELETE FROM song WHERE id < 20000; ";
    migrator(&[("V1__tables.sql", tables)]).run(db.url()).await.unwrap();
    execute(&db, "VACUUM song").await;
    execute(&db, "ANALYZE song; INSERT INTO song SELECT generate_series(20001, 40000)").await;
    let planned: i64 = value(&db, "SELECT reltuples::int8 FROM pg_class WHERE relname = 'song'").await;
    assert!(planned < 10, "the statistics are not stale: {planned}");
    let fill = fill(
        r#"table = "song", key = ["id"], batch = 100, duration = "1ms""#,
        "UPDATE song SET n = 1 FROM pg_sleep(0.02) WHERE id > $1 AND id <= $2 AND n IS NULL",
    );
    let files = [("V1__tables.sql", tables), ("V2__fill.sql", fill.as_str())];
    let job = migrator(&files).backfills(Backfills::Inline);
    let (url, client) =
        (db.url().to_owned(), refit::connect(db.url(), &ConnectOptions::default()).await.unwrap());
    let working = tokio::spawn(async move { job.run(&url).await });
    let mut seen = 0;
    while !working.is_finished() && seen < 100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let Some(status) = JobStatus::of(&client, &crate::support::state(&client).await, 2).await.unwrap()
        else {
            continue;
        };
        if status.state == "complete" || status.strategy.is_none() {
            continue;
        }
        seen += 1;
        assert!((10_000..40_000).contains(&status.rows_estimated), "{status}");
        assert!(status.progress < 1.0 && status.eta_seconds.is_none_or(|eta| eta >= 1.0), "{status}");
        let left = 1.0 - status.rows_changed as f64 / 20_001.0;
        assert!(left < 0.3 || status.progress < 0.9, "{status}");
    }
    assert!(seen > 10, "the work was too short to be seen");
    working.abort();
    // A range whose estimate was wrong all the same.
    let ranges = "UPDATE refit.backfill_range SET rows_estimated = 1, rows_walked = 5000, \
         done = id <> (SELECT max(id) FROM refit.backfill_range)";
    execute(&db, ranges).await;
    execute(&db, "UPDATE refit.backfill SET rows_estimated = 1, state = 'running', rows_per_second = 100")
        .await;
    let status = JobStatus::of(&client, &crate::support::state(&client).await, 2).await.unwrap().unwrap();
    assert!(status.progress < 1.0 && status.eta_seconds.is_none(), "{status}");
    assert!(!status.to_string().contains("100.0 %") && status.rows_estimated >= 5000, "{status}");
}

#[tokio::test]
async fn stripes_are_not_chosen_where_something_else_changes_an_indexed_column() {
    let stamp = "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n > 0 THEN NEW.at = now(); END IF; RETURN NEW; END $$; \
         CREATE TRIGGER stamp BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stamp()";
    let words = "CREATE TRIGGER words BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION \
         tsvector_update_trigger(words, 'pg_catalog.english', text)";
    for (more, expected) in [
        ("", "striped: "),
        (
            "ALTER TABLE t ADD g int GENERATED ALWAYS AS (n + 1) STORED; CREATE INDEX later ON t (g)",
            "keyset: the index public.later",
        ),
        ("CREATE INDEX later ON t (at)", "striped: "),
        (&format!("{stamp}; CREATE INDEX later ON t (id, at)"), "keyset: the index public.later"),
        (&format!("{stamp}; CREATE INDEX later ON t (text)"), "striped: "),
        (words, "keyset: the trigger words may change"),
        (&format!("{words}; ALTER TABLE t DISABLE TRIGGER words"), "striped: "),
    ] {
        let db = TestDb::empty().await.unwrap();
        let tables = format!(
            "CREATE TABLE t (id int PRIMARY KEY, n int, at timestamptz, text text, words tsvector); \
             INSERT INTO t SELECT generate_series(1, 120000); {more}"
        );
        let statement = "UPDATE t SET n = 1 WHERE id > $1 AND id <= $2 AND id % $3 = $4";
        migrator(&[("V1__tables.sql", tables.as_str())]).run(db.url()).await.unwrap();
        let fill = fill(r#"table = "t", key = ["id"]"#, statement);
        let set = set(&[("V1__tables.sql", tables.as_str()), ("V2__fill.sql", fill.as_str())]);
        let client = refit::connect(db.url(), &ConnectOptions::default()).await.unwrap();
        let migration = set.migration(2).unwrap();
        let preview =
            preview(&client, &crate::support::state(&client).await, Subject::Migration(migration), 1)
                .await
                .unwrap();
        let chosen =
            format!("{}: {}", preview.strategy.unwrap_or_default(), preview.reason.unwrap_or_default());
        assert!(chosen.starts_with(expected), "{more}: {chosen}");
    }
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
        let error = if inline { migrator.run(db.url()).await } else { migrator.work(db.url()).await };
        let error = error.unwrap_err();
        assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("the session is read-only, and 1 backfill is unfinished: V2__fill"), "{text}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    let back = format!("BEGIN READ WRITE; {}; COMMIT", read_only(false));
    execute(&db, &back).await;
    migrator(&files).work(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_becomes_read_only_is_waited_for_and_not_for_ever() {
    let db = TestDb::empty().await.unwrap();
    let tables = SONGS.replace("100)", "600)");
    let fill = fill(r#"table = "song", key = ["id"], batch = 10, duration = "1ms", workers = 1"#, SLOW);
    let files = [("V1__tables.sql", tables.as_str()), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let working = {
        let (migrator, url) = (migrator(&files).lease(Duration::from_secs(2)), db.url().to_owned());
        tokio::spawn(async move { migrator.work(&url).await })
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
    assert!(error.to_string().contains("hot standby, and 1 backfill is unfinished: V2__fill"), "{error}");
    execute_at(&url, "SELECT 1").await;
}
