//! Passwords and control characters in failing statements and in queries of other sessions are neither shown nor stored.

use refit::backfill::JobStatus;
use refit::{Backfills, Error, Rollback};
use refit_devdb::TestDb;

use crate::support::{execute, migrator, value};

const SECRET: &str = "hunter2-hunter2";

/// The number of rows in schema `refit` that contain the secret.
async fn kept(db: &TestDb) -> i64 {
    let mut kept = 0;
    for table in ["run", "step", "repeatable"] {
        let sql = format!("SELECT count(*) FROM refit.{table} AS row WHERE row::text LIKE '%hunter%'");
        kept += value::<i64>(db, &sql).await;
    }
    kept
}

/// The errors that the last run and its last step recorded.
async fn recorded(db: &TestDb) -> String {
    value(
        db,
        "SELECT coalesce((SELECT error FROM refit.step ORDER BY id DESC LIMIT 1), '') || \
                (SELECT error FROM refit.run ORDER BY id DESC LIMIT 1)",
    )
    .await
}

/// Asserts that the files fail, and that neither the error nor the state contains the secret; returns the error.
async fn fails(db: &TestDb, files: &[(&str, &str)]) -> String {
    let error = migrator(files).run(db.url()).await.unwrap_err();
    let said = format!("{}\n{error:?}", error.message());
    assert!(!said.contains("hunter"), "{said}");
    assert_eq!(kept(db).await, 0, "{files:?}");
    error.message()
}

const STATEMENTS: [&str; 14] = [
    "CREATE ROLE refit_r LOGIN PASSWORD 'hunter2-hunter2' NOSUCHOPTION;",
    "CREATE ROLE refit_r LOGIN PASSWORD E'hunter2-hunter2' NOSUCHOPTION;",
    "ALTER ROLE no_such_role PASSWORD $x$hunter2-hunter2$x$;",
    "ALTER USER no_such_role ENCRYPTED PASSWORD U&'hunter2-hunter\\0032';",
    "CREATE ROLE refit_r PASSWORD hunter2;",
    "CREATE ROLE refit_r PASSWORD \"hunter2-hunter2\";",
    "CREATE USER MAPPING FOR public SERVER no_such OPTIONS (user 'u', password 'hunter2-hunter2');",
    "CREATE SUBSCRIPTION s CONNECTION 'host=nowhere.invalid passwordx=hunter2-hunter2 password=hunter2-hunter2' PUBLICATION p;",
    "SELECT no_such_connect('postgres://u:hunter2-hunter2@h/d');",
    "SET refit_test.db_password = 'hunter2-hunter2' nonsense;",
    "DO $$ BEGIN EXECUTE 'CREATE ROLE refit_r PASSWORD ''hunter2-hunter2'' NOSUCHOPTION'; END $$;",
    "DO $$ BEGIN EXECUTE format('CREATE ROLE refit_r PASSWORD %L NOSUCHOPTION', 'hunter2-hunter2'); END $$;",
    "DO $$ DECLARE x text := 'hunter2-hunter2'; BEGIN EXECUTE 'CREATE ROLE refit_r NOSUCH PASSWORD ' || quote_literal(x); END $$;",
    "DO $$ DECLARE password text := 'hunter2-hunter2'; BEGIN RAISE EXCEPTION 'it is %', password; END $$;",
];

#[tokio::test]
async fn a_password_in_a_failing_statement_is_neither_shown_nor_stored() {
    let db = TestDb::empty().await.unwrap();
    for sql in STATEMENTS {
        let error = fails(&db, &[("V1__a.sql", sql)]).await;
        assert!(error.contains("********"), "{error}");
        let apart = format!("-- refit: transaction = false\nSELECT 1;\n{sql}");
        let error = fails(&db, &[("V1__a.sql", &apart)]).await;
        assert!(error.contains("********"), "{error}");
        execute(&db, "DELETE FROM refit.step").await;
        fails(&db, &[("R__a.sql", sql)]).await;
    }
    let roles = "SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname = 'refit_r'";
    assert_eq!(value::<i64>(&db, roles).await, 0);
}

#[tokio::test]
async fn the_shown_line_and_caret_survive_redaction() {
    let db = TestDb::empty().await.unwrap();
    let error = fails(&db, &[("V1__a.sql", STATEMENTS[0])]).await;
    let expected = "1 | CREATE ROLE refit_r LOGIN PASSWORD '********' NOSUCHOPTION;\n  \
                    |                                               ^";
    assert!(error.contains(expected), "{error}");
    assert!(error.contains("V1__a.sql:1:54") && error.contains("\"nosuchoption\""), "{error}");
    assert!(recorded(&db).await.contains(expected));
}

#[tokio::test]
async fn a_password_in_a_failing_down_file_is_neither_shown_nor_stored() {
    let db = TestDb::empty().await.unwrap();
    for transaction in ["", "-- refit: transaction = false\n"] {
        let down = format!("{transaction}{}", STATEMENTS[0]);
        let files = [("V1__a.sql", "CREATE TABLE IF NOT EXISTS a ();"), ("V1__a.down.sql", down.as_str())];
        migrator(&files).run(db.url()).await.unwrap();
        let error = migrator(&files).rollback(db.url(), &Rollback::default()).await.unwrap_err();
        let said = format!("{}\n{error:?}", error.message());
        assert!(!said.contains("hunter") && said.contains("********"), "{said}");
        assert_eq!(kept(&db).await, 0);
        assert!(recorded(&db).await.contains("********"));
    }
}

#[tokio::test]
async fn a_backfill_stores_no_secret_of_its_statement() {
    let db = TestDb::empty().await.unwrap();
    let table = (
        "V1__t.sql",
        "CREATE TABLE t (id bigint PRIMARY KEY, api_key text CHECK (length(api_key) < 5), n int); INSERT INTO t SELECT g FROM generate_series(1, 5) g;",
    );
    let fill = "-- refit: backfill = { table = \"t\", key = [\"id\"], errors = 100 }\n\
                UPDATE t SET api_key = 'hunter2-hunter2' WHERE id > $1 AND id <= $2;";
    let files = [table, ("V2__fill.sql", fill)];
    let outcome = migrator(&files).backfills(Backfills::Inline).run(db.url()).await;
    let said = format!("{outcome:?}");
    assert!(!said.contains("hunter"), "{said}");
    let rows = "SELECT count(*) FROM refit.backfill_error WHERE detail LIKE '%********%'";
    assert_eq!(value::<i64>(&db, rows).await, 5);
    let leaks = "SELECT (SELECT count(*) FROM refit.backfill_error e WHERE e::text LIKE '%hunter%') \
                      + (SELECT count(*) FROM refit.backfill_range r WHERE r::text LIKE '%hunter%') \
                      + (SELECT count(*) FROM refit.backfill WHERE error LIKE '%hunter%')";
    assert_eq!(value::<i64>(&db, leaks).await, 0);
    let client = db.connect().await.unwrap();
    let status = JobStatus::of(&client, &crate::support::state(&client).await, 2).await.unwrap().unwrap();
    assert!(!format!("{status} {status:?}").contains("hunter"), "{status}");
}

#[tokio::test]
async fn a_backfill_that_cannot_be_planned_stores_no_secret() {
    let db = TestDb::empty().await.unwrap();
    let fill = "-- refit: backfill = { table = \"t\", key = [\"id\"] }\n\
                UPDATE t SET password = 'hunter2-hunter2'::int WHERE id > $1 AND id <= $2;";
    let files = [
        ("V1__t.sql", "CREATE TABLE t (id bigint PRIMARY KEY, password int); INSERT INTO t VALUES (1);"),
        ("V2__fill.sql", fill),
    ];
    let error = migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::Backfill { .. }) && !format!("{error:?}").contains("hunter"), "{error}");
    let reason: String = value(&db, "SELECT error FROM refit.backfill").await;
    assert!(reason.contains("********") && !reason.contains("hunter"), "{reason}");
}

#[tokio::test]
async fn queries_of_other_sessions_are_redacted_and_escaped() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, "CREATE TABLE t (id int)").await;
    let other = db.connect().await.unwrap();
    other.batch_execute("BEGIN; LOCK TABLE t").await.unwrap();
    let query =
        "SELECT 'postgres://u:hunter2-hunter2@h/d', 'password=hunter2-hunter2', '\u{1b}[31m\u{9b}2J\u{202e}'";
    other.batch_execute(query).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let files = [("V1__t.sql", "-- refit: lock_timeout = \"100ms\"\nALTER TABLE t ADD COLUMN n int;")];
    let error = migrator(&files).lock_attempts(1).run(db.url()).await.unwrap_err().message();
    assert!(error.contains("blocked by: pid") && error.contains("********"), "{error}");
    assert!(!error.contains("hunter") && !error.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{error:?}");
    assert!(error.contains("\\u{1b}[31m\\u{9b}2J\\u{202e}"), "{error}");
    assert_eq!(recorded(&db).await, format!("{error}{error}"));
    other.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_message_of_the_server_is_escaped_and_indented() {
    let db = TestDb::empty().await.unwrap();
    let sql = "DO $$ BEGIN RAISE EXCEPTION E'\\u001b[31m\\u009b\\u202e\\n  blocked by: nothing' USING DETAIL = E'\\u001b]0;x\\u0007'; END $$;";
    let error = migrator(&[("V1__t.sql", sql)]).run(db.url()).await.unwrap_err().message();
    assert!(error.contains("\\u{1b}[31m\\u{9b}\\u{202e}") && error.contains("\\u{1b}]0;x\\u{7}"), "{error}");
    assert!(!error.contains("\n  blocked by") && !error.contains('\u{1b}'), "{error}");
    assert!(!recorded(&db).await.contains('\u{1b}'));
}

#[test]
fn a_password_is_not_in_debug_output() {
    let url = format!("postgres://u:{SECRET}@localhost:5432/d");
    let target = refit::Target::parse(&url).unwrap();
    assert!(!format!("{target:?} {}", target.address()).contains(SECRET));
    let migrator = migrator(&[("V1__a.sql", STATEMENTS[0])]);
    assert!(!format!("{migrator:?}").contains(SECRET));
}
