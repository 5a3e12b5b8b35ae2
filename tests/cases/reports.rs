//! A run leaves a report: what it did can be read from the database afterwards.

use std::time::Duration;

use refit::{Backfills, Error, RunOutcome, StepKind, StepOutcome};
use refit_devdb::TestDb;

use crate::support::{execute, migrator, value};

/// Notices come in the order of the steps although each step is sent while the one before runs.
#[tokio::test]
async fn notices_belong_to_the_step_that_raised_them() {
    let db = TestDb::empty().await.unwrap();
    let say = |n: usize| {
        format!(
            "DO $$ BEGIN RAISE WARNING 'warning {n}'; RAISE NOTICE 'notice {n}'; END $$;\nSELECT {n};\n\
             DO $$ BEGIN RAISE INFO 'last {n}'; END $$;"
        )
    };
    let files: Vec<(String, String)> = (1..=40)
        .map(|n| match n % 4 {
            0 => (format!("V{n}__silent.sql"), "SELECT 1;".to_owned()),
            1 => (format!("V{n}__alone.sql"), format!("-- refit: transaction = false\n{}", say(n))),
            _ => (format!("V{n}__say.sql"), say(n)),
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let migrator = migrator(&files);
    let report = migrator.run(db.url()).await.unwrap();
    let client = db.connect().await.unwrap();
    let recorded = migrator.run_report(&client, None).await.unwrap().unwrap();
    assert_eq!((report.steps.len(), recorded.steps.len()), (40, 40));
    for (n, (step, record)) in report.steps.iter().zip(&recorded.steps).enumerate() {
        let n = n + 1;
        let said: Vec<String> =
            step.notices.iter().map(|notice| format!("{} {}", notice.severity, notice.message)).collect();
        let expected = match n % 4 {
            0 => Vec::new(),
            _ => vec![format!("WARNING warning {n}"), format!("NOTICE notice {n}"), format!("INFO last {n}")],
        };
        assert_eq!(said, expected, "{}", step.stem);
        assert_eq!(record.notices, step.notices, "{}", step.stem);
        assert_eq!(record.file.as_deref(), Some(&*format!("{}.sql", step.stem)));
    }
    assert_eq!(report.warnings.len(), 30);
}

#[tokio::test]
async fn a_flood_of_notices_is_cut() {
    let db = TestDb::empty().await.unwrap();
    let text = "DO $$ BEGIN FOR i IN 1..5000 LOOP RAISE NOTICE 'number %', i; END LOOP; END $$;";
    let report = migrator(&[("V1__flood.sql", text)]).run(db.url()).await.unwrap();
    let notices = &report.steps[0].notices;
    assert_eq!((notices.len(), notices[100].message.as_str()), (101, "4,900 more notices omitted"));
    assert_eq!(value::<i32>(&db, "SELECT jsonb_array_length(notices) FROM refit.step").await, 101);
}

/// On a session of the caller's, notices go to the caller.
#[tokio::test]
async fn a_session_of_the_caller_keeps_its_notices() {
    let db = TestDb::empty().await.unwrap();
    let client = db.connect().await.unwrap();
    let migrator = migrator(&[("V1__a.sql", "DO $$ BEGIN RAISE WARNING 'odd'; END $$;")]).release("7.1");
    let report = migrator.apply(&client).await.unwrap();
    assert!(report.steps[0].notices.is_empty() && report.warnings.is_empty());
    let recorded = migrator.run_report(&client, report.run).await.unwrap().unwrap();
    assert_eq!((recorded.run.release.as_deref(), recorded.steps.len()), (Some("7.1"), 1));
}

#[tokio::test]
async fn a_failed_step_stays_in_the_report_with_its_error_and_notices() {
    let db = TestDb::empty().await.unwrap();
    for (first, directive) in [("", "V2__bad.sql"), ("-- refit: transaction = false\n", "V3__bad.sql")] {
        let bad = format!(
            "{first}DO $$ BEGIN RAISE WARNING 'close'; PERFORM pg_sleep(0.3); END $$;\nSELECT nothing_here;"
        );
        let migrator = migrator(&[("V1__a.sql", "SELECT 1;"), (directive, &bad)]);
        let error = migrator.run(db.url()).await.unwrap_err();
        let client = db.connect().await.unwrap();
        let report = migrator.run_report(&client, None).await.unwrap().unwrap();
        assert_eq!(report.run.outcome, RunOutcome::Failed);
        let step = report.steps.last().unwrap();
        assert_eq!((step.outcome, step.title().as_str()), (StepOutcome::Failed, directive));
        assert!(step.error.as_deref().unwrap().contains("nothing_here"), "{step:?}");
        assert_eq!(step.error.as_deref(), Some(&*error.message()));
        assert_eq!(step.notices.len(), 1, "{step:?}");
        assert!(step.seconds.unwrap() >= 0.3, "{step:?}");
    }
}

#[tokio::test]
async fn lock_waits_are_reported_with_the_sessions_that_held_the_locks() {
    let db = TestDb::empty().await.unwrap();
    let first = ("V1__t.sql", "CREATE TABLE t (id int);");
    migrator(&[first]).run(db.url()).await.unwrap();
    let holder = db.connect().await.unwrap();
    holder.batch_execute("SET application_name = 'long report'; BEGIN; SELECT * FROM t").await.unwrap();
    let files = [
        first,
        ("V2__quick.sql", "SELECT 1;"),
        ("V3__add.sql", "DO $$ BEGIN RAISE NOTICE 'once'; END $$;\nALTER TABLE t ADD COLUMN a int;"),
        (
            "V4__more.sql",
            "-- refit: transaction = false\n-- refit: lock_timeout = \"100ms\"\nALTER TABLE t ADD COLUMN b int;",
        ),
    ];
    let migrator = migrator(&files).lock_timeout(Duration::from_millis(100));
    let (release, mut blocked) = tokio::sync::mpsc::unbounded_channel();
    let observed = migrator.clone().observe(move |event| {
        if let refit::Event::StepRetried { stem, .. } = event {
            release.send((*stem).to_owned()).ok();
        }
    });
    let url = db.url().to_owned();
    let run = tokio::spawn(async move { observed.run(&url).await });
    assert_eq!(blocked.recv().await.as_deref(), Some("V3__add"));
    holder.batch_execute("COMMIT").await.unwrap();
    let report = run.await.unwrap().unwrap();
    let client = db.connect().await.unwrap();
    let recorded = migrator.run_report(&client, report.run).await.unwrap().unwrap();
    let [quick, add, more] = &recorded.steps[..] else { panic!("{recorded:?}") };
    assert!(quick.lock_waits.is_empty() && quick.attempts == 1);
    let [wait, ..] = &add.lock_waits[..] else { panic!("{add:?}") };
    // The server's timer began before ours: a step is sent ahead.
    assert!(wait.seconds > 0.09 && wait.pause_seconds > 0.0, "{wait:?}");
    assert!(wait.blockers[0].contains("long report"), "{wait:?}");
    assert_eq!(add.attempts, 1 + add.lock_waits.len() as i64);
    assert!(add.seconds.unwrap() >= wait.seconds + wait.pause_seconds, "{add:?}");
    // What an attempt that was rolled back said is not repeated.
    assert_eq!((add.notices.len(), more.lock_waits.len()), (1, 0));
    assert_eq!(report.steps[1].lock_waits, add.lock_waits);
}

#[tokio::test]
async fn backfills_holds_and_rollbacks_are_reported() {
    let db = TestDb::empty().await.unwrap();
    let files = [
        (
            "V1__t.sql",
            "CREATE TABLE t (id int PRIMARY KEY, n int);\nINSERT INTO t SELECT generate_series(1, 500);",
        ),
        (
            "V2__n.sql",
            "-- refit: backfill = { table = \"t\", key = [\"id\"], undo = [\"n\"] }\n\
             UPDATE t SET n = id WHERE id > $1 AND id <= $2 AND n IS NULL;\n",
        ),
        ("V3__after.sql", "-- refit: after = [\"V2\"]\nSELECT 1;"),
        ("V3__after.down.sql", "SELECT 1;"),
    ];
    let migrator = migrator(&files).backfills(Backfills::Inline);
    migrator.run(db.url()).await.unwrap();
    let client = db.connect().await.unwrap();
    let runs = migrator.recorded_runs(&client, 10).await.unwrap();
    assert_eq!(runs.len(), 2, "{runs:?}");
    let first = migrator.run_report(&client, Some(runs[1].id)).await.unwrap().unwrap();
    let [backfill] = &first.backfills[..] else { panic!("{first:?}") };
    assert_eq!((backfill.rows, backfill.stem.as_str(), backfill.state.as_str()), (500, "V2__n", "complete"));
    assert!(backfill.batches > 0 && backfill.workers > 0 && backfill.seconds.is_some(), "{backfill:?}");
    assert_eq!(first.held.len(), 1);
    assert!(first.held[0].reason.contains("waits for the backfill of version 2"), "{first:?}");
    let second = migrator.run_report(&client, Some(runs[0].id)).await.unwrap().unwrap();
    assert!(second.backfills.is_empty() && second.held.is_empty(), "{second:?}");

    let rollback = refit::Rollback { to: 1, ..Default::default() };
    migrator.rollback(db.url(), &rollback).await.unwrap();
    let last = migrator.run_report(&client, None).await.unwrap().unwrap();
    assert_eq!((last.run.undo_to, last.steps.len(), last.backfills.len()), (Some(1), 2, 1));
    assert!(last.steps.iter().all(|step| step.kind == StepKind::Undo));
    assert_eq!((last.backfills[0].kind.as_str(), last.backfills[0].rows), ("undo", 500));
}

/// A run with nothing to do has no report, and no other history's run is found.
#[tokio::test]
async fn only_runs_of_the_history_are_found() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, "CREATE SCHEMA one; CREATE SCHEMA two").await;
    let [one, two] =
        ["one", "two"].map(|schema| migrator(&[("V1__a.sql", "SELECT 1;")]).history_schema(schema));
    let client = db.connect().await.unwrap();
    assert_eq!(one.run_report(&client, None).await.unwrap(), None);
    let ran = one.run(db.url()).await.unwrap().run.unwrap();
    assert_eq!(one.run(db.url()).await.unwrap().run, None);
    assert_eq!(one.run_report(&client, None).await.unwrap().unwrap().run.id, ran);
    assert_eq!(two.run_report(&client, None).await.unwrap(), None);
    two.run(db.url()).await.unwrap();
    assert_eq!(two.run_report(&client, Some(ran)).await.unwrap(), None);
    assert_eq!(two.recorded_runs(&client, 9).await.unwrap().len(), 1);
}

const OLD: &str = "UPDATE refit.run SET started_at = started_at - interval '40 days', \
                       finished_at = finished_at - interval '40 days'";

#[tokio::test]
async fn old_records_expire_at_the_end_of_a_run() {
    let db = TestDb::empty().await.unwrap();
    let files = [
        ("V1__a.sql", "SELECT 1;"),
        ("V2__b.sql", "SELECT 2;"),
        ("V3__c.sql", "SELECT 3;"),
        ("R__r.sql", "SELECT 4;"),
    ];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    migrator(&[files[0], files[3]]).run(db.url()).await.unwrap();
    execute(&db, OLD).await;
    // A run with nothing to do deletes nothing.
    migrator(&[files[0], files[3]]).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM refit.run").await, 2);
    migrator(&[files[0], files[1], files[3]]).run(db.url()).await.unwrap();
    assert_eq!(value::<String>(&db, "SELECT string_agg(name, ',') FROM refit.step").await, "b");
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM refit.run").await, 1);
    // What decides whether a repeatable migration runs again is no record of a run.
    let whole = migrator(&files);
    let report = whole.run(db.url()).await.unwrap();
    assert_eq!(report.steps.iter().map(|step| step.stem.as_str()).collect::<Vec<_>>(), ["V3__c"]);
    // The last run stays, however old it is.
    execute(&db, OLD).await;
    let set = [
        ("refit.toml", "retention = \"1h\"\n"),
        files[0],
        files[1],
        files[2],
        files[3],
        ("V4__d.sql", "SELECT 1;"),
    ];
    migrator(&set).run(db.url()).await.unwrap();
    assert_eq!(value::<String>(&db, "SELECT string_agg(name, ',') FROM refit.step").await, "d");
}

/// A step that is half done is resumed although its record is older than the retention.
#[tokio::test]
async fn what_a_resumed_step_needs_does_not_expire() {
    let db = TestDb::empty().await.unwrap();
    let half =
        "-- refit: transaction = false\nCREATE TABLE half (id int);\nALTER TABLE missing ADD COLUMN a int;";
    let set = |more: &str| {
        migrator(&[
            ("V1__a.sql", "SELECT 1;"),
            ("V2__half.sql", half),
            ("V3__more.sql", "-- refit: manual = true\nCREATE TABLE more (id int);"),
            ("refit.toml", more),
        ])
    };
    assert!(matches!(set("").run(db.url()).await.unwrap_err(), Error::Statement(_)));
    assert!(matches!(set("").run(db.url()).await.unwrap_err(), Error::Statement(_)));
    execute(&db, OLD).await;
    execute(&db, "CREATE TABLE missing ()").await;
    let report = set("").run(db.url()).await.unwrap();
    assert_eq!(report.steps.len(), 1, "{report}");
    // Both attempts, and the run in which the step succeeded, are on record; the attempts expired with it.
    execute(&db, OLD).await;
    set("").include(3).run(db.url()).await.unwrap();
    let steps: String =
        value(&db, "SELECT string_agg(name || ' ' || outcome, ', ' ORDER BY id) FROM refit.step").await;
    assert_eq!(steps, "more succeeded");
}

#[tokio::test]
async fn a_half_done_step_is_kept_by_runs_that_expire_others() {
    let db = TestDb::empty().await.unwrap();
    let half =
        "-- refit: transaction = false\nCREATE TABLE half (id int);\nALTER TABLE missing ADD COLUMN a int;";
    let down = ("V1__a.down.sql", "SELECT 1;");
    let files = [("V1__a.sql", "SELECT 1;"), down, ("V2__half.sql", half)];
    migrator(&files).run(db.url()).await.unwrap_err();
    execute(&db, OLD).await;
    // A rollback is a run that succeeds while the step is half done.
    let rollback = refit::Rollback { to: 0, ..Default::default() };
    migrator(&files).rollback(db.url(), &rollback).await.unwrap();
    let steps = "SELECT string_agg(name || ' ' || outcome, ', ' ORDER BY id) FROM refit.step";
    assert_eq!(value::<String>(&db, steps).await, "half failed, a succeeded");
    execute(&db, "CREATE TABLE missing ()").await;
    // Its first statement is not repeated.
    let report = migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(report.steps.len(), 2);
}
