//! Checks in runs, of backfills, and on a schedule, and the record of what they find.

use std::time::Duration;

use refit::backfill::{Request, request};
use refit::{Backfills, Error, Verdict};
use refit_devdb::TestDb;

use crate::support::{applied, execute, exists, migrator, value};

const FILES: [(&str, &str); 6] = [
    (
        "V1__sites.sql",
        "CREATE TABLE sites (id bigint PRIMARY KEY, is_default boolean NOT NULL DEFAULT false);",
    ),
    (
        "V2__copy.sql",
        "SET search_path = pg_catalog; CREATE TABLE public.copies AS SELECT id FROM public.sites;",
    ),
    (
        "V2__copy.check.sql",
        "-- check: one_default { when = \"before\" }\nSELECT count(*) FROM sites WHERE is_default HAVING count(*) <> 1;\n\
         -- check: copied\nSELECT (SELECT count(*) FROM sites) AS source_count, (SELECT count(*) FROM copies) AS target_count;\n\
         -- check: few { severity = \"warn\" }\nSELECT id FROM copies;",
    ),
    ("V3__index.sql", "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY copies_id ON copies (id);"),
    ("V3__index.check.sql", "SELECT 'gone' AS problem WHERE to_regclass('copies_id') IS NULL;"),
    ("V4__last.sql", "CREATE TABLE last (id bigint);"),
];

#[tokio::test]
async fn checks_before_the_run_stop_it() {
    let db = TestDb::empty().await.unwrap();
    migrator(&FILES[..1]).run(db.url()).await.unwrap();
    let error = migrator(&FILES).checks(true).run(db.url()).await.unwrap_err();
    let Error::Checks { at, failed } = &error else { panic!("{error:?}") };
    assert_eq!(at, "before the run");
    assert!(failed[0].starts_with("one_default (V2__copy.check.sql:2): count = 0"), "{failed:?}");
    assert_eq!(applied(&db).await, "1");
    let outcome = "SELECT outcome FROM refit.run ORDER BY id DESC LIMIT 1";
    assert_eq!(value::<String>(&db, outcome).await, "failed");
    execute(&db, "INSERT INTO sites VALUES (1, true), (2, false)").await;
    let report = migrator(&FILES).checks(true).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3,4");
    assert_eq!(report.warnings, ["the check few (V2__copy.check.sql:6) warns"]);
    let verdicts: Vec<_> =
        report.steps[0].checks.iter().map(|check| (check.name.as_str(), check.verdict)).collect();
    assert_eq!(verdicts, [("copied", Verdict::Passed), ("few", Verdict::Warned)]);
}

#[tokio::test]
async fn a_check_that_fails_rolls_its_migration_back() {
    let files = [
        FILES[0],
        ("V2__copy.sql", "CREATE TABLE copies AS SELECT id FROM sites WHERE id > 1;"),
        ("V2__copy.check.sql", "SELECT id FROM sites EXCEPT SELECT id FROM copies;"),
        FILES[5],
    ];
    let db = TestDb::empty().await.unwrap();
    migrator(&files[..1]).run(db.url()).await.unwrap();
    execute(&db, "INSERT INTO sites VALUES (1, true), (2, false)").await;
    let error = migrator(&files).checks(true).run(db.url()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 check failed after V2__copy:\n  V2__copy (V2__copy.check.sql:1): id = 1"
    );
    assert!(!exists(&db, "copies").await);
    assert_eq!(applied(&db).await, "1");
    let step = "SELECT outcome || ' ' || error FROM refit.step ORDER BY id DESC LIMIT 1";
    assert!(value::<String>(&db, step).await.starts_with("failed 1 check failed after V2__copy"));
    // Without checks in runs, it is applied.
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,4");
}

#[tokio::test]
async fn statements_outside_a_transaction_stay_when_a_check_fails() {
    let files = [
        ("V1__t.sql", "CREATE TABLE t (id bigint);"),
        ("V2__index.sql", "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY t_id ON t (id);"),
        ("V2__index.check.sql", "SELECT count(*) FROM t HAVING count(*) = 0;"),
    ];
    let db = TestDb::empty().await.unwrap();
    let error = migrator(&files).checks(true).run(db.url()).await.unwrap_err();
    assert!(matches!(&error, Error::Checks { at, .. } if at == "after V2__index"), "{error:?}");
    assert!(exists(&db, "t_id").await);
    assert_eq!(applied(&db).await, "1");
    execute(&db, "INSERT INTO t VALUES (1)").await;
    let report = migrator(&files).checks(true).run(db.url()).await.unwrap();
    assert_eq!((applied(&db).await.as_str(), report.steps[0].checks.len()), ("1,2", 1));
}

const RECORDED: &str = "SELECT string_agg(format('%s %s %s %s', occasion, name, verdict, row_count), ', ' ORDER BY id) FROM refit.check_result";

#[tokio::test]
async fn what_checks_find_is_recorded() {
    let db = TestDb::empty().await.unwrap();
    migrator(&FILES[..1]).run(db.url()).await.unwrap();
    migrator(&FILES).checks(true).run(db.url()).await.unwrap_err();
    assert_eq!(value::<String>(&db, RECORDED).await, "before one_default failed 1");
    execute(&db, "INSERT INTO sites VALUES (1, true), (2, false)").await;
    let run = migrator(&FILES).checks(true).run(db.url()).await.unwrap().run;
    let client = refit::connect(db.url(), &refit::ConnectOptions::default()).await.unwrap();
    let mut selection = refit::CheckSelection::default();
    selection.names = vec!["few".to_owned()];
    migrator(&FILES).check(&client, &selection).await.unwrap();
    let report = migrator(&FILES).run_report(&client, run).await.unwrap().unwrap();
    let found: Vec<_> = report.checks.iter().map(|check| (check.name.as_str(), check.verdict)).collect();
    let expected = [
        ("one_default", Verdict::Passed),
        ("copied", Verdict::Passed),
        ("few", Verdict::Warned),
        ("V3__index", Verdict::Passed),
    ];
    assert_eq!(found, expected);
    assert_eq!(report.checks[1].counts.map(|counts| (counts.source, counts.target)), Some((2, 2)));
    assert_eq!(report.checks[2].first_rows, [[Some("1".to_owned())], [Some("2".to_owned())]]);
    client.close().await;
    assert_eq!(
        value::<String>(&db, RECORDED).await,
        "before one_default failed 1, before one_default passed 0, after copied passed 1, after few warned 2, \
         after V3__index passed 0, request few warned 2"
    );
    let counts = "SELECT format('%s %s %s', source_count, target_count, run_id) FROM refit.check_result WHERE name = 'copied'";
    assert_eq!(value::<String>(&db, counts).await, format!("2 2 {}", run.unwrap()));
    let rows = "SELECT first_rows::text FROM refit.check_result WHERE occasion = 'request'";
    assert_eq!(value::<String>(&db, rows).await, r#"[["1"], ["2"]]"#);
    execute(&db, "UPDATE refit.check_result SET checked_at = checked_at - interval '31 days'").await;
    let client = refit::connect(db.url(), &refit::ConnectOptions::default()).await.unwrap();
    migrator(&FILES).check(&client, &selection).await.unwrap();
    client.close().await;
    assert_eq!(value::<String>(&db, RECORDED).await, "request few warned 2");
}

#[tokio::test]
async fn a_backfill_is_complete_when_its_checks_pass() {
    let files = [
        (
            "V1__t.sql",
            "CREATE TABLE t (id bigint PRIMARY KEY, n int); INSERT INTO t SELECT g FROM generate_series(1, 5000) g;",
        ),
        (
            "V2__fill.sql",
            "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 1000 }\n\
             UPDATE t SET n = CASE WHEN id <> 77 THEN 1 END WHERE id > $1 AND id <= $2;",
        ),
        ("V2__fill.check.sql", "-- check: filled\nSELECT id FROM t WHERE n IS NULL;"),
        ("V3__after.sql", "-- refit: after = [\"V2\"]\nCREATE TABLE after_it (id int);"),
    ];
    let db = TestDb::empty().await.unwrap();
    let migrator = migrator(&files).checks(true).backfills(Backfills::Inline);
    let error = migrator.run(db.url()).await.unwrap_err().message();
    assert!(
        error.contains("a check fails: filled (V2__fill.check.sql:2): id = 77")
            && error.contains("backfill retry"),
        "{error}"
    );
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "incomplete");
    assert!(!exists(&db, "after_it").await);
    execute(&db, "UPDATE t SET n = 1 WHERE id = 77").await;
    let client = refit::connect(db.url(), &refit::ConnectOptions::default()).await.unwrap();
    let state = crate::support::state(&client).await;
    request(&client, &state, 2, Request::Retry).await.unwrap();
    client.close().await;
    migrator.run(db.url()).await.unwrap();
    assert!(exists(&db, "after_it").await);
    assert_eq!(value::<String>(&db, RECORDED).await, "backfill filled failed 1, backfill filled passed 0");
    // Both are in the report of the run that registered the backfill.
    let client = refit::connect(db.url(), &refit::ConnectOptions::default()).await.unwrap();
    let report = migrator.run_report(&client, Some(1)).await.unwrap().unwrap();
    client.close().await;
    let found: Vec<_> = report.checks.iter().map(|check| (check.name.as_str(), check.verdict)).collect();
    assert_eq!(found, [("filled", Verdict::Failed), ("filled", Verdict::Passed)]);
}

#[tokio::test]
async fn one_process_runs_the_checks_of_an_interval() {
    let files = [FILES[0], ("checks/system.sql", "-- check: health\nSELECT id FROM sites;")];
    let db = TestDb::empty().await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    let every = Duration::from_secs(1);
    let services: Vec<_> = (0..4)
        .map(|_| {
            let (migrator, url) = (migrator(&files), db.url().to_owned());
            tokio::spawn(async move { migrator.check_regularly(&url, every).await })
        })
        .collect();
    for _ in 0..600 {
        if value::<i64>(&db, "SELECT count(*) FROM refit.check_result").await >= 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    services.iter().for_each(tokio::task::JoinHandle::abort);
    let gap = "SELECT extract(epoch FROM min(checked_at - before))::float8 FROM ( \
                   SELECT checked_at, lag(checked_at) OVER (ORDER BY id) AS before FROM refit.check_result) AS results";
    let gap: f64 = value(&db, gap).await;
    assert!(gap >= 0.9, "{gap}");
    assert_eq!(
        value::<i64>(&db, "SELECT count(*) FROM refit.check_result WHERE occasion <> 'schedule'").await,
        0
    );
}
