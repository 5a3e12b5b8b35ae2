//! Budgets: the time of queries before and after a run, and on demand.

use refit::{Budgets, Error};
use refit_devdb::TestDb;

use crate::support::{applied, execute, migrator, value};

const FILES: [(&str, &str); 5] = [
    (
        "V1__t.sql",
        "CREATE TABLE t (id bigint, kind text); INSERT INTO t SELECT g, 'k' || g % 10 FROM generate_series(1, 20000) g;",
    ),
    ("V2__index.sql", "SET search_path = pg_catalog; CREATE INDEX t_id ON public.t (id); ANALYZE public.t;"),
    (
        "V2__index.budget.sql",
        "-- budget: by_id { p95 = \"10s\", runs = 5, parameters = \"SELECT id FROM t WHERE id % 4000 = 0 ORDER BY id\" }\nSELECT * FROM t WHERE id = $1;",
    ),
    ("V3__later.sql", "CREATE TABLE later AS SELECT id FROM t WHERE id <= 30;"),
    (
        "budgets/all.sql",
        "-- budget: of_later\nSELECT * FROM later;\n-- budget: with_null { parameters = \"SELECT NULL, 'it''s'\" }\nSELECT 1 WHERE $1::text IS NULL AND $2 = 'it''s';",
    ),
];

#[tokio::test]
async fn a_run_measures_before_and_after() {
    let db = TestDb::empty().await.unwrap();
    migrator(&FILES[..1]).run(db.url()).await.unwrap();
    let report = migrator(&FILES).budgets(Budgets::Measure).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3");
    assert_eq!(report.warnings, [""; 0]);
    let [by_id, of_later, with_null] = &report.budgets[..] else { panic!("{:?}", report.budgets) };
    let (before, after) = (by_id.before.as_ref().unwrap(), by_id.after.as_ref().unwrap());
    // The same five parameters, before and after.
    assert_eq!((before.rows, after.rows, after.runs), (5, 5, 5));
    assert!(before.plan.contains("Seq Scan") && after.plan.contains("Index Scan"), "{by_id:?}");
    assert!(by_id.has_other_plan() && !by_id.is_over());
    assert!(after.median <= after.p95 && !after.median.is_zero(), "{after:?}");
    assert!(of_later.before.is_none(), "its table did not exist");
    assert_eq!(of_later.after.as_ref().unwrap().rows, 20 * 30);
    assert_eq!(with_null.after.as_ref().unwrap().rows, 20);
}

#[tokio::test]
async fn a_query_over_its_budget_fails_a_run_that_enforces_it() {
    let files = [
        FILES[0],
        (
            "budgets/slow.sql",
            "-- budget: slow { p95 = \"20ms\", runs = 3 }\nSELECT pg_sleep(0.03);\n-- budget: fast { p95 = \"20s\" }\nSELECT 1;",
        ),
    ];
    let db = TestDb::empty().await.unwrap();
    let error = migrator(&files).budgets(Budgets::Enforce).run(db.url()).await.unwrap_err();
    let Error::Budgets { over } = &error else { panic!("{error:?}") };
    assert!(
        over.len() == 1 && over[0].starts_with("slow (budgets/slow.sql:2): 95 % take up to "),
        "{over:?}"
    );
    assert_eq!(applied(&db).await, "1", "the migration stays");
    assert_eq!(value::<String>(&db, "SELECT outcome FROM refit.run").await, "failed");
    let db = TestDb::empty().await.unwrap();
    let report = migrator(&files).budgets(Budgets::Measure).run(db.url()).await.unwrap();
    assert!(report.warnings[0].starts_with("over budget: slow"), "{:?}", report.warnings);
}

#[tokio::test]
async fn what_cannot_be_measured_says_why() {
    let files = [
        FILES[0],
        (
            "budgets/bad.sql",
            "-- budget: writes\nWITH gone AS (DELETE FROM t RETURNING id) SELECT count(*) FROM gone;\n\
             -- budget: endless { timeout = \"50ms\" }\nSELECT pg_sleep(60);\n\
             -- budget: nothing { parameters = \"SELECT 1 WHERE false\" }\nSELECT $1::int;\n\
             -- budget: absent\nSELECT * FROM absent;\n\
             -- budget: too_few { parameters = \"SELECT 1\" }\nSELECT $1::int, $2::int;\n\
             -- budget: good\nSELECT 1;",
        ),
    ];
    let db = TestDb::empty().await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    let client = refit::connect(db.url(), &refit::ConnectOptions::default()).await.unwrap();
    let results = migrator(&files).measure_budgets(&client, &[]).await.unwrap();
    let why: Vec<&str> = results.iter().map(|result| result.error.as_deref().unwrap_or("none")).collect();
    for (found, expected) in why.iter().zip([
        "in a read-only transaction",
        "statement timeout",
        "its query for parameters returns no rows",
        "\"absent\" does not exist",
        "wrong number of parameters",
        "none",
    ]) {
        assert!(found.contains(expected), "{found:?} lacks {expected:?}");
    }
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t").await, 20_000);
    let unknown = migrator(&files).measure_budgets(&client, &["goood".to_owned()]).await.unwrap_err();
    assert_eq!(unknown.to_string(), "no budget is called `goood`; is `good` meant?");
    client.close().await;
    execute(&db, "DROP TABLE t").await;
}

/// A run measures with the row security of the caller, as a service reads, not with Refit's own.
#[tokio::test]
async fn a_run_measures_what_row_security_shows_the_role() {
    let db = TestDb::empty().await.unwrap();
    execute(
        &db,
        &format!(
            "CREATE ROLE budget_tenant LOGIN; GRANT CREATE ON SCHEMA public TO budget_tenant; \
         GRANT CREATE ON DATABASE {} TO budget_tenant",
            db.name()
        ),
    )
    .await;
    let url = db.url().replace("postgres@", "budget_tenant@");
    let files = [
        (
            "V1__t.sql",
            "CREATE TABLE t (id bigint); INSERT INTO t SELECT generate_series(1, 10); \
             ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; \
             CREATE POLICY few ON t USING (id <= 4);",
        ),
        ("V2__more.sql", "CREATE TABLE more (id bigint);"),
        ("budgets/all.sql", "-- budget: visible { runs = 2 }\nSELECT id FROM t;"),
    ];
    migrator(&files[..1]).run(&url).await.unwrap();
    let report = migrator(&files).budgets(Budgets::Measure).run(&url).await.unwrap();
    let [visible] = &report.budgets[..] else { panic!("{:?}", report.budgets) };
    assert_eq!(visible.error, None);
    let rows = [&visible.before, &visible.after].map(|one| one.as_ref().map(|one| one.rows));
    assert_eq!(rows, [Some(8), Some(8)]);
}
