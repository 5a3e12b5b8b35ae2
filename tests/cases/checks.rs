//! Checks in runs: before the first step, and after each migration.

use refit::{Error, Verdict};
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
