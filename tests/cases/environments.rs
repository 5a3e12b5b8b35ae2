//! Profiles of environments: what a service does when it boots, and the gates that refuse a run.

use std::time::{Duration, Instant};

use refit::backfill::JobState;
use refit::model::{Backup, Boot, Promotion, Promotions, SetStep};
use refit::{Backfills, EnvironmentGate, Error, Hook, Migrator, Rollback};
use refit_devdb::TestDb;

use crate::support::{applied, execute, exists, migrator, set, until, value};

const ONE: (&str, &str) = ("V1__one.sql", "CREATE TABLE one (id bigint PRIMARY KEY);");
const ONE_DOWN: (&str, &str) = ("V1__one.down.sql", "DROP TABLE one;");
const TWO: (&str, &str) = ("V2__two.sql", "CREATE TABLE two (id bigint PRIMARY KEY);");

/// A migrator over files, with the profile of `production`.
fn with_profile(files: &[(&str, &str)], profile: &str) -> Migrator {
    let settings = format!("[environment.production]\n{profile}\n");
    migrator(&[files, &[("refit.toml", settings.as_str())]].concat())
}

/// A time of day at the server, so many seconds from now, in UTC.
async fn time_of_day(db: &TestDb, seconds: i32) -> String {
    let sql = format!(
        "SELECT to_char((clock_timestamp() AT TIME ZONE 'UTC') + make_interval(secs => {seconds}), 'HH24:MI:SS')"
    );
    value(db, &sql).await
}

/// A window that begins and ends so many seconds from now.
async fn window(db: &TestDb, from: i32, to: i32) -> String {
    format!("windows = [\"{}-{}\"]", time_of_day(db, from).await, time_of_day(db, to).await)
}

async fn runs(db: &TestDb) -> i64 {
    value(db, "SELECT count(*) FROM pg_class WHERE relname = 'refinery_schema_history'").await
}

#[tokio::test]
async fn a_run_outside_the_window_is_refused() {
    let db = TestDb::empty().await.unwrap();
    let closed = with_profile(&[ONE], &window(&db, 3_600, 7_200).await);
    let error = closed.run(db.url()).await.unwrap_err();
    let Error::Gated { environment, gates } = &error else { panic!("{error:?}") };
    let [EnvironmentGate::Window { windows, opens: Some(opens) }] = &gates[..] else { panic!("{gates:?}") };
    assert_eq!((environment.as_str(), windows.len()), ("production", 1));
    let seconds: i64 =
        value(&db, &format!("SELECT extract(epoch FROM '{opens}'::timestamptz - now())::bigint")).await;
    assert!((3_500..=3_600).contains(&seconds), "opens in {seconds} s");
    let message = error.message();
    assert!(message.contains("outside the windows") && message.contains("--override REASON"), "{message}");
    // Nothing was created, not even the history.
    assert_eq!(runs(&db).await, 0);
    let client = db.connect().await.unwrap();
    assert!(matches!(closed.apply(&client).await, Err(Error::Gated { .. })));
    let plan = closed.plan(&client).await.unwrap();
    assert_eq!(
        (plan.gates.len(), plan.gates[0].opens(), plan.is_up_to_date()),
        (1, Some(opens.as_str()), false)
    );
    assert!(plan.to_string().contains("  gated    outside the windows"), "{plan}");
    // Another environment has no profile.
    assert_eq!(closed.environment("test").run(db.url()).await.unwrap().steps.len(), 1);
}

#[tokio::test]
async fn a_run_inside_the_window_is_admitted() {
    let db = TestDb::empty().await.unwrap();
    let open = with_profile(&[ONE, TWO], &window(&db, -60, 3_600).await);
    let client = db.connect().await.unwrap();
    assert!(open.plan(&client).await.unwrap().gates.is_empty());
    let report = open.run(db.url()).await.unwrap();
    assert_eq!((report.steps.len(), report.overridden, applied(&db).await.as_str()), (2, None, "1,2"));
    // With nothing to do, a closed window refuses nothing.
    let closed = with_profile(&[ONE, TWO], &window(&db, 3_600, 7_200).await);
    assert!(closed.plan(&client).await.unwrap().gates.is_empty());
    assert_eq!(closed.run(db.url()).await.unwrap().run, None);
    assert_eq!(closed.status(&client).await.unwrap().plan.gates, []);
}

#[tokio::test]
async fn a_name_that_is_nearly_that_of_a_profile_is_warned_of() {
    let db = TestDb::empty().await.unwrap();
    let closed = with_profile(&[ONE], &window(&db, 3_600, 7_200).await);
    let report = closed.environment("prodution").run(db.url()).await.unwrap();
    assert_eq!(
        report.warnings,
        ["refit.toml has no profile for the environment prodution; is it `production`?"]
    );
}

#[tokio::test]
async fn a_freeze_refuses_runs_and_rollbacks() {
    let db = TestDb::empty().await.unwrap();
    with_profile(&[ONE, ONE_DOWN], "").run(db.url()).await.unwrap();
    let today: String = value(&db, "SELECT to_char(now() AT TIME ZONE 'Asia/Tokyo', 'YYYY-MM-DD')").await;
    let profile = format!("freeze = [\"{today} Asia/Tokyo\", \"2020-01-01/2020-01-02\"]");
    let frozen = with_profile(&[ONE, ONE_DOWN, TWO], &profile);
    let error = frozen.run(db.url()).await.unwrap_err();
    let Error::Gated { gates, .. } = &error else { panic!("{error:?}") };
    let [EnvironmentGate::Freeze { periods, opens: Some(opens) }] = &gates[..] else { panic!("{gates:?}") };
    assert_eq!(periods, &[format!("{today} Asia/Tokyo")]);
    let midnight =
        format!("SELECT '{opens}'::timestamptz = ('{today}'::date + 1)::timestamp AT TIME ZONE 'Asia/Tokyo'");
    assert!(value::<bool>(&db, &midnight).await, "{opens}");
    let rollback = Rollback { to: 0, ..Rollback::default() };
    let client = db.connect().await.unwrap();
    let script = frozen.plan_sql(&client).await.unwrap();
    assert!(
        script.contains("\n--   gated    ") && script.contains(&format!("{today} Asia/Tokyo")),
        "{script}"
    );
    let plan = frozen.plan_rollback(&client, &rollback).await.unwrap();
    assert_eq!((plan.gates.len(), plan.steps.len()), (1, 1));
    assert!(plan.to_string().contains("gated"), "{plan}");
    assert!(matches!(frozen.rollback(db.url(), &rollback).await, Err(Error::Gated { .. })));
    assert_eq!(applied(&db).await, "1");
    let report = frozen.override_gates("the release is broken").rollback(db.url(), &rollback).await.unwrap();
    assert_eq!(report.overridden.unwrap().gates[0].as_str(), "freeze");
    assert!(!exists(&db, "one").await);
    let recorded = "SELECT override_reason || ': ' || array_to_string(overridden, ',') || ' ' || undo_to \
                    FROM refit.run ORDER BY id DESC LIMIT 1";
    assert_eq!(value::<String>(&db, recorded).await, "the release is broken: freeze 0");
}

#[tokio::test]
async fn an_override_is_recorded_and_reported() {
    let db = TestDb::empty().await.unwrap();
    let closed =
        with_profile(&[ONE], &format!("{}\nrequires = \"staging\"", window(&db, 3_600, 7_200).await));
    let empty = closed.clone().override_gates("  ").run(db.url()).await.unwrap_err();
    assert!(matches!(&empty, Error::Target(why) if why.contains("needs a reason")), "{empty:?}");
    assert_eq!(runs(&db).await, 0);
    let report = closed.override_gates(" incident 4711 ").run(db.url()).await.unwrap();
    let overridden = report.overridden.as_ref().unwrap();
    assert_eq!(overridden.reason, "incident 4711");
    assert_eq!(
        overridden.gates.iter().map(EnvironmentGate::as_str).collect::<Vec<_>>(),
        ["window", "requires"]
    );
    assert!(report.to_string().contains("gates passed: window, requires; reason: incident 4711"), "{report}");
    let recorded = "SELECT override_reason || ' ' || array_to_string(overridden, ',') FROM refit.run";
    assert_eq!(value::<String>(&db, recorded).await, "incident 4711 window,requires");
    let status = with_profile(&[ONE], "").status(&db.connect().await.unwrap()).await.unwrap();
    assert_eq!(status.last_run.unwrap().override_reason.as_deref(), Some("incident 4711"));
}

#[tokio::test]
async fn a_window_that_closes_during_a_run_stops_it_after_the_current_step() {
    let db = TestDb::empty().await.unwrap();
    let slow = ("V2__slow.sql", "CREATE TABLE slow (); SELECT pg_sleep(4);");
    let files = [ONE, slow, ("V3__three.sql", "CREATE TABLE three ();")];
    let closing = with_profile(&files, &window(&db, -60, 3).await);
    let error = closing.run(db.url()).await.unwrap_err();
    let Error::GateClosed { done, next, gates, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*done, next.as_str(), gates[0].as_str()), (2, "V3__three", "window"));
    assert!(gates[0].opens().is_some());
    assert!(error.message().contains("2 steps of this run are complete"), "{}", error.message());
    // What was applied stays, with its rows of the history.
    assert_eq!(applied(&db).await, "1,2");
    assert!(exists(&db, "slow").await && !exists(&db, "three").await);
    let run = "SELECT outcome || ' ' || planned || ' ' || error FROM refit.run";
    assert!(value::<String>(&db, run).await.starts_with("failed 3 stopped before V3__three"));
    assert_eq!(with_profile(&files, "").run(db.url()).await.unwrap().steps.len(), 1);
}

#[tokio::test]
async fn a_window_that_closes_during_a_rollback_stops_it() {
    let db = TestDb::empty().await.unwrap();
    let files = [ONE, ONE_DOWN, TWO, ("V2__two.down.sql", "DROP TABLE two; SELECT pg_sleep(4);")];
    with_profile(&files, "").run(db.url()).await.unwrap();
    let closing = with_profile(&files, &window(&db, -60, 3).await);
    let error = closing.rollback(db.url(), &Rollback { to: 0, ..Rollback::default() }).await.unwrap_err();
    assert!(matches!(&error, Error::GateClosed { done: 1, next, .. } if next == "V1__one"), "{error:?}");
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn steps_that_another_environment_has_not_applied_are_refused() {
    let db = TestDb::empty().await.unwrap();
    let view = ("R__view.sql", "CREATE OR REPLACE VIEW ones AS SELECT id FROM one;");
    let files = [ONE, ONE_DOWN, TWO, view];
    let promoted = |files: &[(&str, &str)]| {
        let mut promotions = Promotions::default();
        for step in set(files).steps() {
            let promotion =
                Promotion { digest: SetStep::digest(&step), at: "2026-11-29T00:00:00Z".to_owned() };
            promotions.record("staging", &step.file().stem, promotion);
        }
        promotions.text()
    };
    let missing = with_profile(&files, "requires = \"staging\"");
    let error = missing.run(db.url()).await.unwrap_err();
    let Error::Gated { gates, .. } = &error else { panic!("{error:?}") };
    let [EnvironmentGate::Requires { environment, missing }] = &gates[..] else { panic!("{gates:?}") };
    let stems: Vec<_> = missing.iter().map(|one| (one.stem.as_str(), one.edited)).collect();
    assert_eq!((environment.as_str(), stems.len(), stems[0]), ("staging", 3, ("V1__one", false)));
    let message = error.message();
    assert!(
        message.contains("`cargo xtask migrate --environment staging` and commit promotions.toml"),
        "{message}"
    );

    // A down file that was edited since is not what was applied.
    let edited = [ONE, ("V1__one.down.sql", "DROP TABLE IF EXISTS one;"), TWO, view];
    let records = promoted(&files);
    let with_records = |files: &[(&str, &str)]| {
        with_profile(&[files, &[("promotions.toml", records.as_str())]].concat(), "requires = \"staging\"")
    };
    let error = with_records(&edited).run(db.url()).await.unwrap_err();
    let Error::Gated { gates, .. } = &error else { panic!("{error:?}") };
    let [EnvironmentGate::Requires { missing, .. }] = &gates[..] else { panic!("{gates:?}") };
    assert_eq!((missing.len(), missing[0].stem.as_str(), missing[0].edited), (1, "V1__one", true));
    assert!(error.message().contains("V1__one (edited since)"));
    assert_eq!(runs(&db).await, 0);

    assert_eq!(with_records(&files).run(db.url()).await.unwrap().steps.len(), 3);
    // What is applied needs no record; what is new does.
    let more = [&files[..], &[("V3__three.sql", "CREATE TABLE three ();")]].concat();
    let error = with_records(&more).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("not applied in staging: V3__three;"), "{}", error.message());
    // What never runs there cannot have a record.
    let own = ("V3__three.sql", "-- refit: environments = [\"production\"]\nCREATE TABLE three ();");
    let more = [&files[..], &[own]].concat();
    assert_eq!(with_records(&more).run(db.url()).await.unwrap().steps.len(), 1);
}

#[tokio::test]
async fn a_boot_that_only_checks_changes_nothing() {
    let db = TestDb::empty().await.unwrap();
    let check = with_profile(&[ONE, TWO], "boot = \"check\"");
    let error = check.run(db.url()).await.unwrap_err();
    let Error::Pending { environment, pending } = &error else { panic!("{error:?}") };
    assert_eq!(
        (environment.as_str(), pending.as_slice()),
        ("production", &["V1__one".to_owned(), "V2__two".to_owned()][..])
    );
    let message = error.message();
    assert!(message.contains("2 migrations are pending"), "{message}");
    assert!(message.contains("cargo xtask migrate --environment production"), "{message}");
    assert_eq!(runs(&db).await, 0);
    // The builder takes precedence, and `apply` always applies.
    assert_eq!(check.clone().boot(Boot::Apply).run(db.url()).await.unwrap().steps.len(), 2);
    let report = check.run(db.url()).await.unwrap();
    assert_eq!((report.run, report.version), (None, Some(2)));
    execute(&db, "UPDATE refinery_schema_history SET checksum = '5' WHERE version = 1").await;
    assert!(matches!(check.run(db.url()).await, Err(Error::Refused(_))));
}

/// A hook that says that it makes backups.
struct OwnBackup;

impl Hook for OwnBackup {
    fn makes_backups(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_program_that_makes_no_backup_is_refused_where_one_is_required() {
    let db = TestDb::empty().await.unwrap();
    let files = [ONE, ONE_DOWN];
    let required = with_profile(&files, "backup = \"tables\"");
    let error = required.run(db.url()).await.unwrap_err();
    let Error::Gated { gates, .. } = &error else { panic!("{error:?}") };
    assert_eq!(gates, &[EnvironmentGate::Backup { required: Backup::Tables }]);
    let message = error.message();
    assert!(message.contains("a backup of kind tables must be made before the first step"), "{message}");
    assert!(message.contains("refit_backup::BackupHook"), "{message}");
    assert_eq!(runs(&db).await, 0);
    assert_eq!(required.clone().hook(OwnBackup).run(db.url()).await.unwrap().steps.len(), 1);
    // With nothing to do, there is nothing to back up. A rollback has something to do.
    assert_eq!(required.run(db.url()).await.unwrap().run, None);
    let back = Rollback { to: 0, ..Default::default() };
    assert!(matches!(required.rollback(db.url(), &back).await, Err(Error::Gated { .. })));
    assert!(exists(&db, "one").await);
    required.clone().hook(OwnBackup).rollback(db.url(), &back).await.unwrap();
    assert!(!exists(&db, "one").await);
    // What passes the gate is recorded.
    let report = required.override_gates("INC-7: the disk is full").run(db.url()).await.unwrap();
    assert_eq!(report.overridden.unwrap().gates.len(), 1);
    assert_eq!(with_profile(&[ONE], "backup = \"none\"").run(db.url()).await.unwrap().steps.len(), 0);
}

#[tokio::test]
async fn a_boot_that_is_off_does_not_connect() {
    let off = with_profile(&[ONE], "boot = \"off\"");
    let report = off.run("postgres://nobody@127.0.0.1:1/none").await.unwrap();
    assert_eq!((report.run, report.version, report.steps.len()), (None, None, 0));
    let db = TestDb::empty().await.unwrap();
    assert_eq!(off.apply(&db.connect().await.unwrap()).await.unwrap().steps.len(), 1);
}

#[tokio::test]
async fn a_profile_turns_checks_on() {
    let db = TestDb::empty().await.unwrap();
    let files = [ONE, ("V1__one.check.sql", "SELECT 'empty' AS problem WHERE NOT EXISTS (SELECT FROM one);")];
    let checked = with_profile(&files, "checks = true");
    assert!(matches!(checked.run(db.url()).await, Err(Error::Checks { .. })));
    assert!(!exists(&db, "one").await);
    checked.checks(false).run(db.url()).await.unwrap();
    assert!(exists(&db, "one").await);
}

/// The arithmetic of `refit-model` is tested with these answers: a time that occurs twice is the later instant, and one that does not
/// occur is moved by the gap.
#[tokio::test]
async fn servers_read_local_times_as_the_model_expects() {
    let db = TestDb::empty().await.unwrap();
    for (local, instant) in [
        ("2026-10-25 02:30", "2026-10-25 01:30Z"),
        ("2026-03-29 02:30", "2026-03-29 01:30Z"),
        ("2026-03-29 03:00", "2026-03-29 01:00Z"),
    ] {
        let sql =
            format!("SELECT '{local}'::timestamp AT TIME ZONE 'Europe/Berlin' = '{instant}'::timestamptz");
        assert!(value::<bool>(&db, &sql).await, "{local}");
    }
}

#[tokio::test]
async fn a_time_zone_that_the_server_does_not_know_closes_the_gate() {
    let db = TestDb::empty().await.unwrap();
    let error =
        with_profile(&[ONE], "windows = [\"00:00-24:00 Nowhere/Land\"]").run(db.url()).await.unwrap_err();
    assert!(error.message().contains("Nowhere/Land"), "{}", error.message());
    assert_eq!(runs(&db).await, 0);
}

const BACKFILL: [(&str, &str); 2] = [
    (
        "V1__song.sql",
        "CREATE TABLE song (id int PRIMARY KEY, n int); INSERT INTO song SELECT g FROM generate_series(1, 500) g;",
    ),
    (
        "V2__n.sql",
        "-- refit: backfill = { table = \"song\", key = [\"id\"], batch = 5, workers = 1, duration = \"1ms\" }\n\
         UPDATE song SET n = id WHERE id > $1 AND id <= $2 AND n IS NULL;",
    ),
];

#[tokio::test]
async fn backfills_pause_outside_the_window_and_continue_in_it() {
    let db = TestDb::empty().await.unwrap();
    with_profile(&BACKFILL, "").backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let waiting = with_profile(&BACKFILL, &window(&db, 6, 3_600).await);
    let began = Instant::now();
    let url = db.url().to_owned();
    let work = tokio::spawn(async move { waiting.run_backfills(&url).await });
    let throttle = "SELECT coalesce((SELECT throttle FROM refit.backfill), '')";
    until("the backfill waits", async || {
        value::<String>(&db, throttle).await.contains("outside the windows")
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(6));
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 0);
    let report = work.await.unwrap().unwrap();
    assert!(began.elapsed() > Duration::from_secs(5));
    assert_eq!(report.backfills[0].state, JobState::Complete);
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 500);
}

#[tokio::test]
async fn an_override_for_backfills_is_recorded() {
    let db = TestDb::empty().await.unwrap();
    with_profile(&BACKFILL, "").backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let closed = with_profile(&BACKFILL, &window(&db, 3_600, 7_200).await);
    closed.override_gates("rows are needed now").run_backfills(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(n) FROM song").await, 500);
    let recorded = "SELECT planned || ' ' || outcome || ' ' || override_reason || ' ' || array_to_string(overridden, ',') \
                    FROM refit.run ORDER BY id DESC LIMIT 1";
    assert_eq!(value::<String>(&db, recorded).await, "0 succeeded rows are needed now window");
}
