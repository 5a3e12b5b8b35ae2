//! The state of a release that supported a single history is upgraded, and work continues.

use refit::backfill::{JobStatus, Request, request};
use refit::{Backfills, Rollback};
use refit_devdb::TestDb;

use crate::support::pgbouncer::PgBouncer;
use crate::support::{applied, execute, exists, migrator, value};

/// Dumped after V2 was complete, V3 was registered, and V5 had stopped in its second statement.
const BEFORE: &str = include_str!("../fixtures/state_2.sql");

const FILES: [(&str, &str); 9] = [
    (
        "V1__song.sql",
        "CREATE TABLE song (id int PRIMARY KEY, n int, seconds int);\n\
         INSERT INTO song SELECT g, NULL, g FROM generate_series(1, 60) g;\n",
    ),
    (
        "V2__n.sql",
        "-- refit: backfill = { table = \"song\", key = [\"id\"], undo = [\"n\"] }\n\
         UPDATE song SET n = id WHERE id > $1 AND id <= $2 AND n IS NULL;\n",
    ),
    (
        "V3__seconds.sql",
        "-- refit: backfill = { table = \"song\", key = [\"id\"] }\n\
         UPDATE song SET seconds = seconds + 1 WHERE id > $1 AND id <= $2;\n",
    ),
    ("V3__seconds.down.sql", "UPDATE song SET seconds = seconds - 1;\n"),
    ("V4__after.sql", "-- refit: after = [\"V3\"]\nCREATE TABLE after_seconds ();\n"),
    ("V4__after.down.sql", "DROP TABLE after_seconds;\n"),
    (
        "V5__two.sql",
        "-- refit: transaction = false\nCREATE TABLE disc (id int);\n\
         ALTER TABLE song ADD CONSTRAINT song_n CHECK (n > 1);\n",
    ),
    ("V5__two.down.sql", "DROP TABLE disc;\nALTER TABLE song DROP CONSTRAINT song_n;\n"),
    ("R__songs.sql", "CREATE OR REPLACE VIEW songs AS SELECT id FROM song;\n"),
];

#[tokio::test]
async fn records_of_an_older_release_are_kept() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, BEFORE).await;
    execute(&db, "UPDATE song SET n = 2 WHERE id = 1").await;
    let inline = migrator(&FILES).backfills(Backfills::Inline);
    let client = db.connect().await.unwrap();
    let plan = inline.plan(&client).await.unwrap();
    assert!(plan.outdated && plan.refusals.is_empty(), "{plan}");
    inline.run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3,4,5");
    assert!(exists(&db, "after_seconds").await);
    // Each row was changed once, and complete work was not repeated.
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM song WHERE seconds = id + 1").await, 60);
    let jobs = "SELECT string_agg(version || ' ' || state, ', ' ORDER BY id) FROM refit.backfill";
    assert_eq!(value::<String>(&db, jobs).await, "2 complete, 3 complete");
    let steps = "SELECT string_agg(name || ' ' || outcome || coalesce(' ' || statements_done, ''), ', ' ORDER BY id) FROM refit.step";
    let steps: String = value(&db, steps).await;
    assert_eq!(steps.matches("songs").count(), 1, "{steps}");
    assert!(steps.ends_with("two failed 1, two succeeded 2, after succeeded"), "{steps}");
    assert!(inline.plan(&client).await.unwrap().is_up_to_date());
    assert_eq!(inline.run(db.url()).await.unwrap().run, None);
    // Both releases' runs have a report.
    let runs = inline.recorded_runs(&client, 50).await.unwrap();
    for run in &runs {
        let report = inline.run_report(&client, Some(run.id)).await.unwrap().unwrap();
        assert!(report.steps.iter().all(|step| !step.title().is_empty()), "{report:?}");
    }
    let of_new_release = |run: &&refit::RunSummary| run.outcome == refit::RunOutcome::Succeeded;
    let newest = runs.iter().find(of_new_release).unwrap();
    let report = inline.run_report(&client, Some(newest.id)).await.unwrap().unwrap();
    assert!(report.steps.iter().all(|step| step.file.is_some()), "{report:?}");
    // The journal of the older release still exists.
    let rollback = Rollback { to: 1, ..Default::default() };
    let report = inline.rollback(db.url(), &rollback).await.unwrap();
    assert_eq!((report.steps.len(), applied(&db).await.as_str()), (4, "1"));
    // The row that was changed since is not restored.
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 1);
}

/// Dumped after V2 was complete, V3 was registered and paused, and V5 had stopped in its second statement.
const BEFORE_THE_WORDS: &str = include_str!("../fixtures/state_3.sql");

#[tokio::test]
async fn a_pause_that_an_older_release_recorded_holds() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, BEFORE_THE_WORDS).await;
    let inline = migrator(&FILES).backfills(Backfills::Inline);
    let client = db.connect().await.unwrap();
    let state = inline.state(&client).await.unwrap();
    let error = JobStatus::all(&client, &state).await.unwrap_err();
    assert!(error.message().contains("run `cargo xtask migrate` first"), "{error}");

    execute(&db, "UPDATE song SET n = 2 WHERE id = 1").await;
    inline.upgrade_state(&client).await.unwrap();
    let state = inline.state(&client).await.unwrap();
    let paused = JobStatus::of(&client, &state, 3).await.unwrap().unwrap();
    assert_eq!((paused.requested.as_str(), paused.state.as_str()), ("pause", "registered"));
    request(&client, &state, 3, Request::Resume).await.unwrap();
    inline.run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3,4,5");
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM song WHERE seconds = id + 1").await, 60);
    let rollback = Rollback { to: 1, ..Default::default() };
    inline.rollback(db.url(), &rollback).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 1);
}

/// A boot succeeds although only a session that may write the records can upgrade them.
#[tokio::test]
async fn a_boot_through_a_pooler_with_nothing_to_apply_does_not_upgrade_records() {
    let Some(program) = PgBouncer::program() else { return };
    let db = TestDb::empty().await.unwrap();
    execute(&db, BEFORE).await;
    let bouncer = PgBouncer::start(program, db.server(), "transaction").await;
    let older = migrator(&FILES[..2]).backfills(Backfills::Hold);
    assert!(older.plan(&db.connect().await.unwrap()).await.unwrap().outdated);
    let report = older.run(&bouncer.url(db.name())).await.unwrap();
    assert_eq!((report.run, report.steps.len()), (None, 0));
    assert!(older.plan(&db.connect().await.unwrap()).await.unwrap().outdated);
    older.run(db.url()).await.unwrap();
    assert!(!older.plan(&db.connect().await.unwrap()).await.unwrap().outdated);
}

/// All migrations are in the history, and an older release left a job unfinished.
#[tokio::test]
async fn an_unfinished_backfill_is_found_if_nothing_is_pending() {
    let set = &FILES[..4];
    for backfills in [Backfills::Inline, Backfills::Hold] {
        let db = TestDb::empty().await.unwrap();
        execute(&db, BEFORE).await;
        let all = migrator(set).backfills(backfills);
        assert!(all.plan(&db.connect().await.unwrap()).await.unwrap().outdated);
        all.run(db.url()).await.unwrap();
        let state = all.state(&db.connect().await.unwrap()).await.unwrap();
        assert!(!state.is_empty());
        let done = if backfills == Backfills::Inline { 60 } else { 0 };
        let filled = "SELECT count(*) FROM song WHERE seconds = id + 1";
        assert_eq!(value::<i64>(&db, filled).await, done);
        all.run_backfills(db.url()).await.unwrap();
        assert_eq!(value::<i64>(&db, filled).await, 60);
    }
}

#[tokio::test]
async fn a_rollback_uses_journals_of_an_older_release() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, BEFORE).await;
    let report =
        migrator(&FILES[..4]).rollback(db.url(), &Rollback { to: 1, ..Default::default() }).await.unwrap();
    assert_eq!(report.backfills.iter().map(|job| job.rows_changed).max(), Some(60), "{report}");
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 0);
}

/// An unfinished step of an older release is not assigned to one of several histories.
#[tokio::test]
async fn an_unfinished_step_of_an_unknown_history_is_refused() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, BEFORE).await;
    execute(
        &db,
        "CREATE SCHEMA other; CREATE TABLE other.refinery_schema_history (LIKE refinery_schema_history)",
    )
    .await;
    let error = migrator(&FILES).backfills(Backfills::Hold).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("histories it belongs"), "{error}");
}

/// Records as restored from `pg_dump --no-comments`, of this release and of an older one.
#[tokio::test]
async fn records_without_comments_are_recognised_by_their_columns() {
    let db = TestDb::empty().await.unwrap();
    let all = migrator(&FILES[..2]).backfills(Backfills::Inline);
    all.run(db.url()).await.unwrap();
    execute(&db, "COMMENT ON SCHEMA refit IS NULL").await;
    migrator(&FILES[..5]).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3,4");
    let db = TestDb::empty().await.unwrap();
    execute(&db, BEFORE).await;
    execute(&db, "COMMENT ON SCHEMA refit IS NULL").await;
    migrator(&FILES[..5]).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM song WHERE seconds = id + 1").await, 60);
}
