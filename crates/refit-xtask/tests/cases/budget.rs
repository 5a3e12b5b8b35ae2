//! `budget`, and budgets in `migrate`.

use refit_devdb::TestDb;
use serde_json::Value;

use crate::support::Workspace;

const FILES: [(&str, &str); 4] = [
    (
        "V0001__t.sql",
        "CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100);\n",
    ),
    (
        "V0001__t.budget.sql",
        "-- budget: by_id { p95 = \"10s\", runs = 4, parameters = \"SELECT id FROM t LIMIT 2\" }\nSELECT id FROM t WHERE id = $1;\n",
    ),
    ("V0002__more.sql", "INSERT INTO t SELECT generate_series(101, 200);\n"),
    ("budgets/all.sql", "-- budget: all { runs = 3 }\nSELECT id FROM t;\n"),
];

#[tokio::test]
async fn a_run_reports_what_it_measured() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    let text = workspace.run(&["migrate", "--to", "V0001", "--budgets", "measure"]).expect(0).stdout;
    assert!(text.contains("within    by_id  V0001__t.budget.sql:2") && !text.contains("before"), "{text}");
    let text = workspace.run(&["migrate", "--budgets", "enforce"]).expect(0).stdout;
    for line in [
        "100 rows in 3 executions".replace("100", "300"),
        "600 rows in 3 executions".to_owned(),
        "allowed 10.0 s".to_owned(),
        "measured  all  budgets/all.sql:2".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    let text = workspace.run(&["budget"]).expect(0).stdout;
    assert!(text.contains("2 budgets: 0 over") && text.contains("4 rows in 4 executions"), "{text}");
    let json: Value =
        serde_json::from_str(&workspace.run(&["budget", "all", "--format", "json"]).expect(0).stdout)
            .unwrap();
    assert_eq!(json["budgets"][0]["after"]["rows"], 600);
    assert_eq!(json["budgets"].as_array().map(Vec::len), Some(1));
    let error = workspace.run(&["budget", "al"]).expect(2).stderr;
    assert!(error.contains("is `all` meant?"), "{error}");
}

#[tokio::test]
async fn what_is_over_is_an_exit_status() {
    let files = [
        FILES[0],
        ("budgets/slow.sql", "-- budget: slow { p95 = \"10ms\", runs = 2 }\nSELECT pg_sleep(0.02);\n"),
    ];
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&files).on(&db);
    let error = workspace.run(&["migrate", "--budgets", "enforce"]).expect(2).stderr;
    assert!(
        error.contains("1 query over budget after the run") && error.contains("slow (budgets/slow.sql:2)"),
        "{error}"
    );
    let text = workspace.run(&["budget"]).expect(1).stdout;
    assert!(text.contains("over      slow") && text.contains("1 budget: 1 over"), "{text}");
}

#[test]
fn a_malformed_budget_is_an_error_of_the_set() {
    let files = [FILES[0], ("budgets/bad.sql", "-- budget: a { p95 = \"soon\" }\nSELECT 1;\n")];
    let error =
        Workspace::new(&files).run(&["plan", "--database-url", "postgres://localhost/none"]).expect(2).stderr;
    assert!(
        error.contains("budgets/bad.sql:2:1") && error.contains("write it as `p95 = \"50ms\"`"),
        "{error}"
    );
    let files = [("V0001__t.sql", "SELECT 1;\n"), ("V0002__u.budget.sql", "SELECT 1;\n")];
    let error =
        Workspace::new(&files).run(&["plan", "--database-url", "postgres://localhost/none"]).expect(2).stderr;
    assert!(error.contains("this companion file has no migration V0002__u.sql"), "{error}");
}
