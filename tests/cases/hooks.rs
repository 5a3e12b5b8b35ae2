//! When hooks are called, and what an error of a hook stops.

use std::sync::{Arc, Mutex};

use refit::{Activity, Error, Hook, HookFuture, HookRun, HookStep, Progress, Rollback, StepReport};
use refit_devdb::TestDb;

use crate::support::{applied, migrator, value};

const FILES: [(&str, &str); 4] = [
    ("V1__posts.sql", "CREATE TABLE posts (id bigint PRIMARY KEY, title text);"),
    (
        "V2__index.sql",
        "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY posts_title ON posts (title);",
    ),
    ("V3__pages.sql", "CREATE TABLE pages (id bigint PRIMARY KEY);"),
    ("V3__pages.down.sql", "DROP TABLE pages;"),
];

/// Records its calls, with the number of tables at that time.
#[derive(Clone, Default)]
struct Recorder {
    calls: Arc<Mutex<Vec<String>>>,
    /// The call that fails.
    fails: Option<&'static str>,
    /// The call that leaves a transaction open.
    begins: Option<&'static str>,
    /// What each call runs.
    runs: &'static str,
}

impl Recorder {
    async fn record(&self, run: HookRun<'_>, call: String) -> Result<(), refit::HookError> {
        let sql =
            "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = 'public' AND tablename LIKE 'p%'";
        let tables: i64 = run.client.query_one(sql, &[]).await?.get(0);
        self.calls.lock().unwrap().push(format!("{call} ({tables})"));
        run.client.batch_execute(self.runs).await?;
        if self.begins == Some(call.as_str()) {
            run.client.batch_execute("BEGIN").await?;
        }
        match self.fails == Some(call.as_str()) {
            true => Err("the disk is nearly full".into()),
            false => Ok(()),
        }
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

impl Hook for Recorder {
    fn sees_steps(&self) -> bool {
        true
    }

    fn before_run<'a>(&'a self, run: HookRun<'a>, steps: &'a [HookStep<'a>]) -> HookFuture<'a> {
        Box::pin(self.record(run, format!("before {} steps", steps.len())))
    }

    fn before_step<'a>(&'a self, run: HookRun<'a>, step: HookStep<'a>) -> HookFuture<'a> {
        Box::pin(self.record(run, format!("before {}", step.stem)))
    }

    fn after_step<'a>(&'a self, run: HookRun<'a>, report: &'a StepReport) -> HookFuture<'a> {
        Box::pin(self.record(run, format!("after {}", report.stem)))
    }

    fn after_run<'a>(&'a self, run: HookRun<'a>, warnings: &'a mut Vec<String>) -> HookFuture<'a> {
        warnings.push("the backup is a week old".to_owned());
        Box::pin(self.record(run, "after the run".to_owned()))
    }

    fn failed(&self, error: &Error) {
        self.calls.lock().unwrap().push(format!("failed: {error}"));
    }
}

#[tokio::test]
async fn hooks_are_called_in_order_around_each_step() {
    let db = TestDb::empty().await.unwrap();
    let recorder = Recorder::default();
    let migrator = migrator(&FILES).hook(recorder.clone());
    let report = migrator.run(db.url()).await.unwrap();
    let expected = [
        "before 3 steps (0)",
        "before V1__posts (0)",
        "after V1__posts (1)",
        "before V2__index (1)",
        "after V2__index (1)",
        "before V3__pages (1)",
        "after V3__pages (2)",
        "after the run (2)",
    ];
    assert_eq!(recorder.calls(), expected);
    assert_eq!(report.warnings, ["the backup is a week old"]);
    migrator.run(db.url()).await.unwrap();
    assert_eq!(recorder.calls(), ["after the run (2)"], "there was nothing to do");
    let report = migrator.rollback(db.url(), &Rollback { to: 2, ..Rollback::default() }).await.unwrap();
    let expected = ["before 1 steps (2)", "before V3__pages (2)", "after V3__pages (1)", "after the run (1)"];
    assert_eq!(recorder.calls(), expected);
    assert_eq!(report.warnings, ["the backup is a week old"]);
}

#[tokio::test]
async fn an_error_of_a_hook_stops_the_run() {
    for (fails, done, remains) in [
        ("before 3 steps", "none", "before the run"),
        ("before V2__index", "1", "before V2__index"),
        ("after V2__index", "1,2", "after V2__index"),
    ] {
        let db = TestDb::empty().await.unwrap();
        let recorder = Recorder { fails: Some(fails), ..Recorder::default() };
        let error = migrator(&FILES).hook(recorder.clone()).run(db.url()).await.unwrap_err();
        assert!(matches!(&error, Error::Hook { at, .. } if at == remains), "{error:?}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "the disk is nearly full");
        assert_eq!(recorder.calls().last().unwrap(), &format!("failed: {error}"));
        assert_eq!(applied(&db).await, if done == "none" { "" } else { done });
        assert_eq!(value::<String>(&db, "SELECT outcome FROM refit.run").await, "failed");
        migrator(&FILES).run(db.url()).await.unwrap();
        assert_eq!(applied(&db).await, "1,2,3");
    }
}

#[tokio::test]
async fn a_transaction_that_a_hook_leaves_open_is_refused() {
    let db = TestDb::empty().await.unwrap();
    let recorder = Recorder { begins: Some("before V3__pages"), ..Recorder::default() };
    let error = migrator(&FILES).hook(recorder).run(db.url()).await.unwrap_err();
    let Error::Hook { at, source } = &error else { panic!("{error:?}") };
    assert_eq!(at, "before V3__pages");
    assert!(matches!(source.downcast_ref(), Some(Error::InTransaction)), "{source:?}");
    assert_eq!(applied(&db).await, "1,2");
    assert_eq!(value::<String>(&db, "SELECT outcome FROM refit.run").await, "failed");
}

#[tokio::test]
async fn settings_that_a_hook_changes_are_restored() {
    let db = TestDb::empty().await.unwrap();
    let runs = "SET statement_timeout = '1ms'; SET search_path = nowhere; SET ROLE pg_monitor";
    let recorder = Recorder { runs, ..Recorder::default() };
    let slow = [
        ("V1__posts.sql", "CREATE TABLE posts (id bigint); SELECT pg_sleep(0.05);"),
        (
            "V2__pages.sql",
            "-- refit: transaction = false\nCREATE TABLE pages (id bigint);\nSELECT pg_sleep(0.05);",
        ),
    ];
    migrator(&slow).hook(recorder).run(db.url()).await.unwrap();
    let owners = "SELECT string_agg(DISTINCT tableowner = session_user, ',')  FROM pg_tables WHERE tablename IN ('posts', 'pages')";
    let owners = owners.replace("tableowner = session_user", "(tableowner = session_user)::text");
    assert_eq!(value::<String>(&db, &owners).await, "true");
}

#[tokio::test]
async fn a_hook_that_refuses_a_step_of_a_rollback_leaves_the_history_as_it_is() {
    let files = [
        FILES[0],
        ("V2__index.sql", FILES[1].1),
        ("V2__index.down.sql", "-- refit: transaction = false\nDROP INDEX CONCURRENTLY posts_title;"),
    ];
    let db = TestDb::empty().await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    let recorder = Recorder { fails: Some("before V2__index"), ..Recorder::default() };
    let rollback = Rollback { to: 1, ..Rollback::default() };
    let error = migrator(&files).hook(recorder.clone()).rollback(db.url(), &rollback).await.unwrap_err();
    assert!(matches!(&error, Error::Hook { at, .. } if at == "before V2__index"), "{error:?}");
    assert!(recorder.calls().last().unwrap().starts_with("failed: a hook failed before V2__index"));
    let report = migrator(&files).run(db.url()).await.unwrap();
    assert_eq!((report.steps.len(), report.version), (0, Some(2)), "nothing is half undone");
    migrator(&files).rollback(db.url(), &rollback).await.unwrap();
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn hooks_learn_of_a_run_that_cannot_connect() {
    let recorder = Recorder::default();
    let options = refit::ConnectOptions { retry_for: std::time::Duration::ZERO, ..Default::default() };
    let migrator = migrator(&FILES).hook(recorder.clone()).connect_options(options);
    migrator.run("postgres://nobody@127.0.0.1:1/none").await.unwrap_err();
    let calls = recorder.calls();
    assert!(matches!(&calls[..], [one] if one.starts_with("failed: cannot connect")), "{calls:?}");
}

#[tokio::test]
async fn progress_says_which_step_runs() {
    let files = [FILES[0], ("V2__sleep.sql", "SELECT pg_sleep(1.5);"), ("V3__wrong.sql", "SELECT 1/0;")];
    let db = TestDb::empty().await.unwrap();
    let progress = Progress::default();
    let migrator = migrator(&files).progress(&progress);
    let url = db.url().to_owned();
    let run = tokio::spawn(async move { migrator.run(&url).await });
    let mut seen = Vec::new();
    while !run.is_finished() {
        let now = progress.to_string();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(run.await.unwrap().is_err());
    assert!(seen.contains(&"migrating, step 2 of 3, 33 %: V2__sleep".to_owned()), "{seen:?}");
    assert_eq!(progress.activity(), Activity::Idle);
}
