//! `check`: what the checks of a folder find in a database.

use refit_devdb::TestDb;
use serde_json::Value;

use crate::support::{Workspace, execute};

const FILES: [(&str, &str); 7] = [
    (
        "V0001__sites.sql",
        "CREATE TABLE sites (id bigint PRIMARY KEY, domain text, is_default boolean NOT NULL);\n",
    ),
    (
        "V0001__sites.check.sql",
        "-- check: every_site_has_a_domain\nSELECT id, domain FROM sites WHERE domain IS NULL ORDER BY id;\n\
         -- check: few_long_domains { max_rows = 1, severity = \"warn\" }\nSELECT id FROM sites WHERE length(domain) > 20;\n",
    ),
    ("V0002__copies.sql", "CREATE TABLE copies (id bigint PRIMARY KEY);\n"),
    (
        "V0002__copies.check.sql",
        "-- check: copied { tolerance = \"50%\" }\n\
         SELECT (SELECT count(*) FROM sites) AS source_count, (SELECT count(*) FROM copies) AS target_count;\n\
         -- check: one_default_site { when = \"before\" }\nSELECT count(*) FROM sites WHERE is_default HAVING count(*) <> 1;\n",
    ),
    ("checks/system.sql", "-- check: health\nSELECT 'Pass' AS status;\n"),
    ("checks/more.sql", "SELECT pg_sleep(0);\n"),
    ("V0003__index.sql", "CREATE INDEX sites_domain ON sites (domain);\n"),
];

async fn checked(files: &[(&str, &str)]) -> (TestDb, Workspace) {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(files).on(&db);
    workspace.run(&["migrate"]).expect(0);
    (db, workspace)
}

#[tokio::test]
async fn what_is_wrong_is_listed() {
    let (db, workspace) = checked(&FILES).await;
    let text = workspace.run(&["check"]).expect(1).stdout;
    // A query that returns a row has found something, whatever the row.
    assert!(text.contains("failed  more") && text.contains("5 checks: 4 passed, 1 failed"), "{text}");
    assert!(!text.contains("one_default_site"), "it is for before the migration: {text}");
    execute(
        &db,
        "INSERT INTO sites SELECT n, CASE WHEN n > 12 THEN 'www.' || n || '.a-long-domain.example' END, false \
         FROM generate_series(1, 14) n; INSERT INTO copies SELECT generate_series(1, 8)",
    )
    .await;
    let text =
        workspace.run(&["check", "every_site_has_a_domain", "few_long_domains", "copied"]).expect(1).stdout;
    for line in [
        "failed  every_site_has_a_domain  V0001__sites.check.sql:2",
        "id = 1, domain = NULL",
        "and 2 more",
        "warned  few_long_domains",
        "warned  copied",
        "source 14, target 8, difference 6",
        "3 checks: 0 passed, 2 warned, 1 failed",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    workspace.run(&["check", "few_long_domains", "copied"]).expect(0);
    let document: Value =
        serde_json::from_str(&workspace.run(&["check", "--format", "json"]).expect(1).stdout).unwrap();
    let failed = &document["checks"][0];
    assert_eq!((&failed["name"], &failed["rows"]), (&"every_site_has_a_domain".into(), &12.into()));
    assert_eq!(failed["first_rows"].as_array().unwrap().len(), 10);
    assert_eq!(document["checks"][2]["counts"]["difference"], 6);
    let unknown = workspace.run(&["check", "every_site_has_domain"]).expect(2).stderr;
    assert!(
        unknown.contains("no check is called `every_site_has_domain`; is `every_site_has_a_domain` meant?"),
        "{unknown}"
    );
}

#[tokio::test]
async fn pending_migrations_have_checks_of_their_own() {
    let (db, workspace) = checked(&FILES[..2]).await;
    FILES[2..].iter().for_each(|(path, text)| workspace.write(path, text));
    let text = workspace.run(&["check", "--pending"]).expect(1).stdout;
    assert!(
        text.contains("failed  one_default_site") && text.contains("1 check: 0 passed, 1 failed"),
        "{text}"
    );
    execute(&db, "INSERT INTO sites VALUES (1, 'a', true)").await;
    workspace.run(&["check", "--pending"]).expect(0);
    let text = workspace.run(&["check"]).expect(1).stdout;
    assert!(!text.contains("copied"), "its migration is not applied: {text}");
}

#[tokio::test]
async fn a_check_cannot_write_or_run_for_ever() {
    let files = [
        (
            "V0001__t.sql",
            "CREATE TABLE t (id bigint);\nCREATE FUNCTION add() RETURNS bigint LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING id';\n",
        ),
        (
            "checks/bad.sql",
            "-- check: writes\nSELECT add();\n-- check: sleeps { timeout = \"200ms\" }\nSELECT pg_sleep(60);\n\
             -- check: gone\nSELECT * FROM nowhere;\n-- check: secret\nSELECT 'password=hunter2'::int;\n\
             -- check: good\nSELECT 1 WHERE false;\n",
        ),
    ];
    let (db, workspace) = checked(&files).await;
    let text = workspace.run(&["check"]).expect(1).stdout;
    for line in [
        "cannot execute INSERT in a read-only transaction",
        "canceling statement due to statement timeout",
        "relation \"nowhere\" does not exist",
        "passed  good",
        "5 checks: 1 passed, 4 failed",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
    let client = tokio_postgres::connect(db.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(client.1);
    let rows: i64 = client.0.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
    assert_eq!(rows, 0);
}

#[test]
fn a_malformed_check_is_a_problem_of_the_folder() {
    let files = [
        ("V0001__t.sql", "CREATE TABLE t (id bigint);\n"),
        ("V0001__t.check.sql", "-- check: a { wen = \"after\" }\nSELECT 1;\n"),
        ("checks/b.sql", "DELETE FROM t;\n"),
    ];
    let error = Workspace::new(&files).run(&["plan"]).expect(2).stderr;
    assert!(
        error.contains("V0001__t.check.sql:1:1: the options of `a` cannot be read: unknown field `wen`"),
        "{error}"
    );
    assert!(error.contains("checks/b.sql:1:1: the check `b` is not a query"), "{error}");
}

#[tokio::test]
async fn verify_and_runs_run_checks() {
    let (db, workspace) = checked(&FILES).await;
    workspace.run(&["snapshot"]).expect(0);
    // The file `more` finds something, whatever the rows.
    let text = workspace.run(&["verify"]).expect(1).stdout;
    assert!(text.contains("no drift") && text.contains("5 checks: 4 passed, 1 failed"), "{text}");
    let text = workspace.run(&["verify", "--no-checks"]).expect(0).stdout;
    assert!(!text.contains("check"), "{text}");
    let json: Value =
        serde_json::from_str(&workspace.run(&["verify", "--format", "json"]).expect(1).stdout).unwrap();
    assert_eq!((json["state"].as_str(), json["checks"].as_array().map(Vec::len)), (Some("same"), Some(5)));
    execute(&db, "DROP TABLE copies; DELETE FROM refinery_schema_history WHERE version >= 2").await;
    let error = workspace.run(&["migrate", "--checks"]).expect(2).stderr;
    assert!(error.contains("1 check failed before the run") && error.contains("one_default_site"), "{error}");
}

#[test]
fn a_rehearsal_runs_checks() {
    let files = [
        ("V0001__t.sql", "CREATE TABLE t (id bigint PRIMARY KEY, n integer);\n"),
        ("V0002__n.sql", "UPDATE t SET n = 1 WHERE id > 3;\n"),
        (
            "V0002__n.check.sql",
            "-- check: no_rows { when = \"before\" }\nSELECT id FROM t;\n-- check: filled\nSELECT id FROM t WHERE n IS DISTINCT FROM 1;\n",
        ),
    ];
    let workspace = Workspace::new(&files);
    let text = workspace.run(&["rehearse", "--rows", "20"]).expect(1).stdout;
    assert!(text.contains("warned  no_rows") && text.contains("failed  filled"), "{text}");
    let markdown = workspace.run(&["rehearse", "--rows", "20", "--markdown"]).expect(1).stdout;
    assert!(markdown.contains("The check `filled` **fails**: "), "{markdown}");
    workspace.run(&["rehearse", "--rows", "20", "--no-checks"]).expect(0);
}
