//! Backfill commands: run, status, control. The statement is not idempotent: every row must end at exactly 1.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use refit_devdb::TestDb;
use refit_model::MigrationSet;
use serde_json::Value;

use crate::support::{Workspace, execute, value};

const TABLE: (&str, &str) = (
    "V0001__t.sql",
    "CREATE TABLE t (id bigint PRIMARY KEY, text text NOT NULL DEFAULT '1', n int NOT NULL DEFAULT 0);\n\
     INSERT INTO t SELECT g FROM generate_series(1, 20000) g;\n",
);
const FILL: (&str, &str) = (
    "V0002__fill.sql",
    "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 1000, workers = 1 }\n\
     UPDATE t SET n = n + text::int WHERE id > $1 AND id <= $2;\n",
);
/// Slow enough to be observed while running: 0.1 s per 100 rows.
const SLOW: (&str, &str) = (
    "V0002__fill.sql",
    "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 100, workers = 2, duration = \"1ms\" }\n\
     UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2 AND pg_sleep(0.0005) IS NOT NULL;\n",
);
const GATED: (&str, &str) =
    ("V0003__after.sql", "-- refit: after = [\"V0002\"]\nCREATE TABLE after_it (id int);\n");

/// How often each value of `n` occurs.
async fn counts(db: &TestDb) -> String {
    value(db, "SELECT string_agg(format('%s: %s', n, rows), ', ' ORDER BY n) FROM (SELECT n, count(*) AS rows FROM t GROUP BY n) c").await
}

/// Text without the figures and times that differ from run to run, and without the database's address.
pub(super) fn normal(text: &str) -> String {
    let mut normal = String::new();
    for line in text.lines().filter(|line| !line.starts_with("postgres@")) {
        let line = line.split_once(" (postgres@").map_or(line, |(before, _)| before);
        for word in line.split(' ') {
            let figure = word.trim_end_matches([',', ';', ':']);
            let is_figure = figure.starts_with(|c: char| c.is_ascii_digit())
                && figure.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.'));
            let is_time = figure.starts_with("20") && figure.ends_with('Z') && figure.contains('T');
            if is_figure || is_time {
                // Numbers are padded.
                normal.truncate(normal.trim_end_matches(' ').len());
                normal.push_str(" # ");
            } else {
                normal.push_str(word);
                normal.push(' ');
            }
        }
        normal.truncate(normal.trim_end_matches(' ').len());
        normal.push('\n');
    }
    normal
}

pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn begin(workspace: &Workspace, arguments: &[&str]) -> Child {
    let mut command = workspace.command();
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(super) async fn until(db: &TestDb, sql: &str) {
    let client = db.connect().await.unwrap();
    // The queried tables may not exist yet.
    let holds = async || client.query_one(sql, &[]).await.is_ok_and(|row| row.get(0));
    crate::support::until(sql, holds).await;
}

const RUNNING: &str = "SELECT coalesce((SELECT sum(rows_changed) > 0 FROM refit.backfill_range), false)";

#[tokio::test]
async fn plan_migrate_status_and_run_agree() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[TABLE, FILL, GATED]).on(&db);
    let none = workspace.run(&["backfill", "status"]).expect(1).stdout;
    assert!(none.contains("V0002__fill  its migration is not applied"), "{none}");
    let held = workspace.run(&["migrate", "--backfills", "hold"]).expect(0);
    insta::assert_snapshot!("backfill_held", normal(&held.stdout));
    assert_eq!(counts(&db).await, "0: 20000");
    insta::assert_snapshot!(
        "backfill_registered",
        normal(&workspace.run(&["backfill", "status"]).expect(1).stdout)
    );
    let plan = workspace.run(&["plan"]).expect(0).stdout;
    assert!(
        plan.contains("waits for the backfill of version 2") && plan.contains("registered  not started"),
        "{plan}"
    );
    let status = workspace.run(&["status"]).expect(1).stdout;
    assert!(status.contains("backfill V0002__fill  registered"), "{status}");
    let ran = workspace.run(&["backfill", "run"]).expect(0);
    insta::assert_snapshot!("backfill_run", normal(&ran.stdout));
    assert!(
        ran.stderr.contains("applied     V0003__after") && !ran.stderr.contains('\u{1b}'),
        "{}",
        ran.stderr
    );
    assert_eq!(counts(&db).await, "1: 20000");
    assert!(value::<bool>(&db, "SELECT to_regclass('after_it') IS NOT NULL").await);
    let status = json(&workspace.run(&["backfill", "status", "--format", "json"]).expect(0).stdout);
    assert_eq!(
        (&status["backfills"][0]["state"], &status["backfills"][0]["rows_changed"]),
        (&"complete".into(), &20_000.into())
    );
    assert_eq!((&status["pending"], &status["held"]), (&Value::Array(Vec::new()), &Value::Array(Vec::new())));
    assert_eq!(
        json(&workspace.run(&["status", "--format", "json"]).expect(0).stdout)["backfills"][0]["version"],
        2
    );
    let again = workspace.run(&["backfill", "run"]).expect(0).stdout;
    assert!(again.contains("no backfill is unfinished"), "{again}");
}

#[tokio::test]
async fn migrate_finishes_backfills_and_reports_failures() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[TABLE, FILL, GATED]).on(&db);
    let report = json(&workspace.run(&["migrate", "--format", "json"]).expect(0).stdout);
    assert_eq!((report["steps"].as_array().unwrap().len(), &report["version"]), (3, &3.into()), "{report}");
    assert_eq!(
        (&report["backfills"][0]["state"], &report["held"]),
        (&"complete".into(), &Value::Array(Vec::new()))
    );
    assert_eq!(counts(&db).await, "1: 20000");
    // One that fails does not stop the other one.
    workspace.write("V0004__wrong.sql", "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET nope = 1 WHERE id > $1 AND id <= $2;\n");
    workspace.write("V0005__again.sql", "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2;\n");
    let ran = workspace.run(&["migrate"]).expect(1);
    assert!(
        ran.stdout.contains("column \"nope\"") && ran.stdout.contains("1 backfill is not complete"),
        "{}",
        ran.stdout
    );
    assert_eq!(counts(&db).await, "2: 20000");
    let report = json(&workspace.run(&["migrate", "--format", "json"]).expect(1).stdout);
    assert_eq!(report["failures"][0]["version"], 4, "{report}");
}

#[tokio::test]
async fn a_dry_run_estimates_the_backfill_and_changes_nothing() {
    let db = TestDb::empty().await.unwrap();
    let fill = (
        "V0002__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 1000, workers = 1, undo = [\"n\"] }\n\
         UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2;\n",
    );
    let workspace = Workspace::new(&[TABLE, fill, GATED]).on(&db);
    let early = workspace.run(&["backfill", "run", "--dry-run"]).expect(1).stdout;
    assert!(early.contains("there is no table t") && early.contains("V0001__t is pending"), "{early}");
    workspace.run(&["migrate", "--to", "V0001"]).expect(0);
    execute(&db, "ANALYZE t").await;
    let pending = workspace.run(&["backfill", "run", "--dry-run", "--sample", "3"]).expect(0);
    insta::assert_snapshot!("backfill_dry_run", normal(&pending.stdout));
    assert_eq!(counts(&db).await, "0: 20000");
    workspace.run(&["migrate", "--backfills", "background"]).expect(0);
    let preview =
        json(&workspace.run(&["backfill", "run", "--dry-run", "--format", "json", "V0002"]).expect(0).stdout);
    let preview = &preview["backfills"][0];
    // The last batch of a range may be short.
    let (batches, changed) =
        (&preview["sample"]["batches"], preview["sample"]["rows_changed"].as_i64().unwrap());
    assert!(*batches == 5 && (2_000..=5_000).contains(&changed), "{preview}");
    assert!(
        preview["estimate"]["wal_bytes"].as_f64().unwrap() > 1e6 && preview["rows"].as_f64().unwrap() > 15e3,
        "{preview}"
    );
    assert_eq!(counts(&db).await, "0: 20000");
    let state = "SELECT (SELECT string_agg(state, ',') FROM refit.backfill) || (SELECT count(*) FROM refit.backfill_range) \
                     || coalesce(to_regclass('refit.backfill_undo_1')::text, '') || coalesce(to_regclass('refit.backfill_undo_0')::text, '')";
    assert_eq!(value::<String>(&db, state).await, "registered0");
    let nothing = workspace.run(&["backfill", "run", "--dry-run", "7"]).expect(2).stderr;
    assert!(nothing.contains("version 7 has no backfill that is unfinished or pending"), "{nothing}");
}

#[tokio::test]
async fn a_dry_run_names_failing_rows_and_previews_the_remaining_ones() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[TABLE, SLOW]).on(&db);
    workspace.run(&["migrate", "--backfills", "hold"]).expect(0);
    let run = begin(&workspace, &["backfill", "run"]);
    until(&db, RUNNING).await;
    interrupt(run);
    let preview =
        json(&workspace.run(&["backfill", "run", "--dry-run", "--format", "json"]).expect(0).stdout);
    let changed: i64 = value(&db, "SELECT sum(n) FROM t").await;
    let left = preview["backfills"][0]["rows"].as_i64().unwrap();
    assert!(left < 20_000 && changed > 0, "{preview}");
    workspace.run(&["backfill", "cancel", "--yes"]).expect(0);
    execute(&db, "UPDATE t SET text = 'x' WHERE id = 11").await;
    workspace.write("V0003__parse.sql", &FILL.1.replace("batch = 1000", "batch = 500"));
    let ran = workspace.run(&["backfill", "run", "--dry-run", "3"]).expect(1).stdout;
    assert!(
        ran.contains("failed    invalid input syntax for type integer: \"x\"") && ran.contains("growth"),
        "{ran}"
    );
}

#[tokio::test]
async fn failed_rows_are_listed_and_retried() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[TABLE, FILL, GATED]).on(&db);
    workspace.run(&["migrate", "--backfills", "hold"]).expect(0);
    execute(&db, "UPDATE t SET text = 'x' WHERE id IN (7, 7007)").await;
    let ran = workspace.run(&["backfill", "run"]).expect(1).stdout;
    assert!(ran.contains("1 backfill is not complete") && ran.contains("held  V0003__after"), "{ran}");
    assert_eq!(counts(&db).await, "0: 2, 1: 19998");
    insta::assert_snapshot!(
        "backfill_incomplete",
        normal(&workspace.run(&["backfill", "status"]).expect(1).stdout)
    );
    execute(&db, "UPDATE t SET text = '1'").await;
    let retried = workspace.run(&["backfill", "retry"]).expect(0).stdout;
    assert!(retried.contains("2 rows will be retried"), "{retried}");
    workspace.run(&["backfill", "run"]).expect(0);
    assert_eq!(counts(&db).await, "1: 20000");
}

#[tokio::test]
async fn another_process_pauses_and_resumes_it() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[TABLE, SLOW, GATED]).on(&db);
    workspace.run(&["migrate", "--backfills", "hold"]).expect(0);
    let run = begin(&workspace, &["backfill", "run"]);
    let watch = begin(&workspace, &["backfill", "status", "--watch", "--format", "json"]);
    until(&db, RUNNING).await;
    workspace.run(&["backfill", "pause"]).expect(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stands = counts(&db).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(counts(&db).await, stands);
    assert!(stands.contains("0: "), "{stands}");
    let status = workspace.run(&["backfill", "status", "2"]).expect(1).stdout;
    assert!(status.contains("paused      V0002__fill") && status.contains("backfill resume 2"), "{status}");
    let resumed = json(&workspace.run(&["backfill", "resume", "V0002", "--format", "json"]).expect(0).stdout);
    assert_eq!((&resumed["requested"], &resumed["state"]), (&"run".into(), &"running".into()));
    let ran = run.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success() && text.contains("paused      V0002__fill"), "{text}");
    assert_eq!(counts(&db).await, "1: 20000");
    let watched = watch.wait_with_output().unwrap();
    assert!(watched.status.success(), "{watched:?}");
    let states: Vec<String> = String::from_utf8_lossy(&watched.stdout)
        .lines()
        .map(|line| json(line)["backfills"][0]["state"].as_str().unwrap().to_owned())
        .collect();
    assert!(states.len() > 1 && states.last().unwrap() == "complete", "{states:?}");
}

/// Ctrl-C.
fn interrupt(child: Child) -> (i32, String) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn a_stopped_backfill_resumes() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[TABLE, SLOW, GATED]).on(&db);
    let migrate = begin(&workspace, &["migrate"]);
    until(&db, RUNNING).await;
    let (status, text) = interrupt(migrate);
    assert!(status == 1 && text.contains("resume with `cargo xtask backfill run`"), "{text}");
    assert!(counts(&db).await.contains("0: "));
    let run = begin(&workspace, &["backfill", "run", "--format", "json"]);
    let changed = format!(
        "SELECT sum(rows_changed) > {} FROM refit.backfill_range",
        value::<i64>(&db, "SELECT sum(n) FROM t").await
    );
    until(&db, &changed).await;
    let (status, text) = interrupt(run);
    assert_eq!((status, &json(&text)["interrupted"]), (1, &true.into()), "{text}");
    workspace.run(&["backfill", "run"]).expect(0);
    assert_eq!(counts(&db).await, "1: 20000");
}

#[tokio::test]
async fn one_of_several_must_be_named_and_cancel_asks() {
    let db = TestDb::empty().await.unwrap();
    let other = ("V0003__other.sql", FILL.1);
    let workspace = Workspace::new(&[TABLE, FILL, other]).on(&db);
    let none = workspace.run(&["backfill", "pause"]).expect(2).stderr;
    assert!(none.contains("this database has no unfinished backfill"), "{none}");
    workspace.run(&["migrate", "--backfills", "hold"]).expect(0);
    let several = workspace.run(&["backfill", "pause"]).expect(2).stderr;
    assert!(several.contains("2  V0002__fill  (registered)\n  3  V0003__other"), "{several}");
    workspace.run(&["backfill", "pause", "V0003"]).expect(0);
    let asked = workspace.run(&["backfill", "cancel", "3"]).expect(2).stderr;
    assert!(asked.contains("give --yes"), "{asked}");
    workspace.run(&["backfill", "cancel", "3", "--yes"]).expect(0);
    let ran = workspace.run(&["backfill", "run"]).expect(1);
    assert!(ran.stdout.contains("canceled    V0003__other"), "{}", ran.stdout);
    assert_eq!(counts(&db).await, "1: 20000");
    for (arguments, message) in [
        (&["backfill", "pause", "2"][..], "is complete: there is nothing left to do"),
        (&["backfill", "resume", "9"], "version 9 has no backfill"),
        (&["backfill", "status", "9"], "version 9 has no backfill"),
        (&["backfill", "retry", "soon"], "expected a version such as 12"),
        (&["backfill", "run", "2"], "--dry-run"),
    ] {
        let text = workspace.run(arguments).expect(2).stderr;
        assert!(text.contains(message), "{arguments:?}: {text}");
    }
    // Without a folder, only the database is queried.
    std::fs::remove_dir_all(workspace.root().join("migrations")).unwrap();
    workspace.run(&["backfill", "status", "2"]).expect(0);
    workspace.run(&["backfill", "resume"]).expect(0);
}

#[tokio::test]
async fn templates_and_rehearsals_run_striped_backfills() {
    let striped = (
        "V0002__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 1000 }\n\
         UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2 AND id % $3 = $4;\n",
    );
    let workspace = Workspace::new(&[TABLE, striped, GATED]);
    let set = MigrationSet::from_dir(&workspace.root().join("migrations")).unwrap();
    let db = TestDb::new(set).await.unwrap();
    assert_eq!(counts(&db).await, "1: 20000");
    assert!(value::<bool>(&db, "SELECT to_regclass('after_it') IS NOT NULL").await);
    let rehearsed = workspace.run(&["rehearse", "--format", "json"]).expect(0).stdout;
    assert!(rehearsed.contains("V0002__fill"), "{rehearsed}");
    workspace.run(&["snapshot"]).expect(0);
}
