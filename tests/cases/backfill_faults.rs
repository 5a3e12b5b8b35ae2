//! Backfills that must not begin, roles and servers that cannot do the work, and estimates that must not mislead.

mod sessions;

use std::time::Duration;

use refit::backfill::{JobState, JobStatus, Subject, preview};
use refit::model::{MigrationSet, SourceFile};
use refit::{Backfills, ConnectOptions, Error, Report};
use refit_devdb::TestDb;

use crate::support::{execute, exists, migrator, set, value};

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

/// Asserts that a backfill is recorded as failed without having changed a row; returns the reason.
async fn fails(tables: &str, directive: &str, statement: &str, untouched: &str) -> String {
    let db = TestDb::empty().await.unwrap();
    let error = run(&db, tables, directive, statement).await.unwrap_err();
    let state: String = value(&db, "SELECT concat(state, ': ', error) FROM refit.backfill").await;
    assert!(state.starts_with("failed: "), "{statement}: {state}; {error}");
    assert!(value::<bool>(&db, untouched).await, "{statement}: rows were changed");
    state
}

#[tokio::test]
async fn a_backfill_that_sets_its_own_key_is_refused() {
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
async fn indirect_changes_of_a_key_fail_before_a_row_changes() {
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
async fn an_insert_trigger_does_not_prevent_a_backfill() {
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
async fn unsupported_journals_and_keys_end_the_job_with_a_reason() {
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
    // A condition that cannot be evaluated at the end also ends the job.
    let zero = r#"table = "song", key = ["id"], remaining = "1 / (n - n) > 0""#;
    let db = TestDb::empty().await.unwrap();
    let error = run(&db, SONGS, zero, "UPDATE song SET n = 1 WHERE id > $1 AND id <= $2").await.unwrap_err();
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "failed", "{error}");
}

#[test]
fn too_many_workers_make_the_folder_invalid() {
    let text =
        fill(r#"table = "t", key = ["id"], workers = 65"#, "UPDATE t SET n = 1 WHERE id > $1 AND id <= $2");
    let file = SourceFile::new("V1__fill.sql", text.into_bytes());
    let error = MigrationSet::from_files("migrations", vec![file]).unwrap_err().to_string();
    assert!(error.contains("`workers` is at most 64"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_statistics_do_not_yield_a_remaining_time() {
    let db = TestDb::empty().await.unwrap();
    // Pages that are empty according to the planner's statistics, and are filled again.
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
        if status.state == JobState::Complete || status.strategy.is_none() {
            continue;
        }
        seen += 1;
        assert!((10_000..40_000).contains(&status.rows_estimated), "{status}");
        assert!(status.progress < 1.0 && status.eta_seconds.is_none_or(|eta| eta >= 1.0), "{status}");
        let left = 1.0 - status.rows_changed as f64 / 20_001.0;
        assert!(left < 0.3 || status.progress < 0.9, "{status}");
    }
    assert!(seen > 10, "the work was too short to be observed");
    working.abort();
    // A range with a wrong estimate.
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
async fn stripes_are_not_chosen_if_an_indexed_column_is_changed_indirectly() {
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
        let chosen = format!("{}: {}", preview.strategy.unwrap(), preview.reason.unwrap_or_default());
        assert!(chosen.starts_with(expected), "{more}: {chosen}");
    }
}
