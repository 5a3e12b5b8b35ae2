//! Untrusted text in the commands' output: control characters are escaped, passwords are redacted.

use refit_devdb::TestDb;

use super::backfill::json;
use crate::support::{Ran, Workspace, execute, value};

const QUERY: &str =
    "SELECT 'password=hunter2-hunter2', '\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\u{2028}'";

/// Runs a command with colours, as on a terminal.
fn coloured(workspace: &Workspace, arguments: &[&str]) -> Ran {
    let mut command = workspace.command();
    let output = command.args(arguments).env("CLICOLOR_FORCE", "1").output().unwrap();
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Checks that the text contains only the escape sequences of the commands' colours.
fn is_harmless(text: &str) {
    let acts = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\u{1b}');
    assert!(!text.contains(acts) && !text.contains(['\u{202e}', '\u{2028}']), "{text:?}");
    for sequence in text.split('\u{1b}').skip(1) {
        let parameters =
            sequence.strip_prefix('[').and_then(|rest| rest.split_once('m')).map(|(before, _)| before);
        assert!(matches!(parameters, Some("0" | "1" | "2" | "31" | "32" | "33")), "{text:?}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn queries_of_other_sessions_are_escaped() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, "CREATE TABLE t (id int)").await;
    let other = db.connect().await.unwrap();
    other.batch_execute("BEGIN; LOCK TABLE t").await.unwrap();
    other.batch_execute(QUERY).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let file = "-- refit: lock_timeout = \"100ms\"\nALTER TABLE t ADD COLUMN n int;\n";
    let workspace = Workspace::new(&[("V1__t.sql", file)]).on(&db);
    // The blocking session releases its lock after the first attempt.
    let (ran, ()) = tokio::join!(
        async { tokio::task::spawn_blocking(move || coloured(&workspace, &["migrate"])).await.unwrap() },
        async {
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            other.batch_execute("ROLLBACK").await.unwrap();
        }
    );
    let ran = ran.expect(0);
    is_harmless(&ran.stdout);
    is_harmless(&ran.stderr);
    assert!(ran.stderr.contains("\u{1b}[33mblocked"), "{:?}", ran.stderr);
    assert!(ran.stderr.contains("last query: SELECT 'password=********'"), "{}", ran.stderr);
    assert!(ran.stderr.contains("\\u{1b}[31m\\u{1b}]0;title\\u{7}\\u{9b}2J\\u{202e}"), "{}", ran.stderr);
    let columns =
        "SELECT count(*) FROM pg_catalog.pg_attribute WHERE attrelid = 't'::regclass AND attname = 'n'";
    assert_eq!(value::<i64>(&db, columns).await, 1);
}

#[tokio::test]
async fn names_and_recorded_errors_are_escaped_and_json_is_exact() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[("V1__t.sql", "CREATE TABLE t ();")]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    let name = "x\u{1b}[31m\u{9b}2J\u{202e}";
    execute(
        &db,
        &format!(
            "INSERT INTO refinery_schema_history SELECT 2, '{name}', applied_on, checksum FROM refinery_schema_history; \
             UPDATE refit.run SET outcome = 'failed', error = '{name} password=hunter2-hunter2'"
        ),
    )
    .await;
    let status = coloured(&workspace, &["status"]).expect(0);
    is_harmless(&status.stdout);
    assert!(status.stdout.contains("\u{1b}[1m\u{1b}[31mlast run failed\u{1b}[0m"), "{:?}", status.stdout);
    assert!(status.stdout.contains("V2__x\\u{1b}[31m\\u{9b}2J\\u{202e}"), "{}", status.stdout);
    is_harmless(&coloured(&workspace, &["plan"]).stdout);
    is_harmless(&coloured(&workspace, &["migrate"]).stderr);
    let status = workspace.run(&["status", "--format", "json"]).expect(0).stdout;
    is_harmless(&status);
    assert_eq!(json(&status)["applied"][1]["name"], name);
    assert_eq!(json(&status)["last_run"]["error"], format!("{name} password=********"));
}

#[test]
fn a_password_in_a_file_is_redacted() {
    let file =
        "CREATE ROLE r PASSWORD 'hunter2-hunter2'; UPDATE t SET x = 1; ALTER ROLE r PASSWORD 'hunter2';\n";
    let workspace = Workspace::new(&[("V1__t.sql", file)]);
    let shown = workspace.run(&["lint-migrations"]).expect(1).stdout;
    assert!(!shown.contains("hunter2") && shown.contains("PASSWORD '***"), "{shown}");
}
