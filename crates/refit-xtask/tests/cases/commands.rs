//! The commands as processes: arguments, output, exit status, and the database afterwards.

use std::process::Stdio;
use std::time::Duration;

use crate::support::{Workspace, execute, value};
use refit_devdb::TestDb;

const ONE: (&str, &str) = ("V0001__posts.sql", "CREATE TABLE posts (id int);\n");
const TWO: (&str, &str) = ("V0002__pages.sql", "CREATE TABLE pages (id int);\n");

#[test]
fn new_migration_writes_all_files() {
    let workspace = Workspace::new(&[("V0009__old.sql", "SELECT 1;")]);
    let ran = workspace.run(&["new-migration", "add_status"]).expect(0);
    let files = [
        "V0010__add_status.check.sql",
        "V0010__add_status.down.sql",
        "V0010__add_status.md",
        "V0010__add_status.sql",
    ];
    let all = [&files[..], &["V0009__old.sql"]].concat();
    assert_eq!(workspace.files().len(), all.len());
    assert!(all.iter().all(|file| workspace.files().iter().any(|found| found == file)));
    assert!(ran.stdout.contains("migrations/V0010__add_status.sql"), "{}", ran.stdout);
    let description =
        std::fs::read_to_string(workspace.root().join("migrations/V0010__add_status.md")).unwrap();
    assert!(description.starts_with("# add status\n\n## Purpose\n"), "{description}");
    // The rule finds that nothing is written in it yet.
    workspace.write("refit.toml", "[lint.rules]\nmissing-doc = \"warn\"\n");
    let linted = workspace.run(&["lint-migrations"]).stdout;
    assert!(linted.contains("Purpose, Risk, Runtime, Verification, Rollback"), "{linted}");
    std::fs::remove_file(workspace.root().join("migrations/refit.toml")).unwrap();
    // An unfinished folder is refused, but another migration can still be created.
    assert!(workspace.run(&["plan"]).expect(2).stderr.contains("contains no statement"));
    let json = workspace.run(&["new-migration", "next", "--format", "json"]).expect(0).stdout;
    assert!(json.contains("V0011__next.down.sql"), "{json}");
    let again = workspace.run(&["new-migration", "next"]).expect(2);
    assert!(again.stderr.contains("V0011__next.sql already has that name"), "{}", again.stderr);
}

#[test]
fn new_migration_refuses_bad_names_and_writes_nothing() {
    let workspace = Workspace::new(&[]);
    for name in ["Add-Status", "", "../evil", "a b", "größe", "undo_it_down"] {
        assert!(!workspace.run(&["new-migration", name]).expect(2).stderr.is_empty());
    }
    assert_eq!(workspace.files(), Vec::<String>::new());
}

#[tokio::test]
async fn plan_migrate_and_status_agree() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[ONE, TWO]).on(&db);
    insta::assert_snapshot!("plan", workspace.run(&["plan"]).expect(1).stdout);
    let dry = workspace.run(&["migrate", "--dry-run"]).expect(1).stdout;
    assert!(dry.contains("-- V0002__pages.sql\nCREATE TABLE pages"), "{dry}");
    assert!(!value::<bool>(&db, "SELECT to_regclass('refinery_schema_history') IS NOT NULL").await);
    workspace.run(&["migrate", "--to", "V0001"]).expect(0);
    assert!(!value::<bool>(&db, "SELECT to_regclass('pages') IS NOT NULL").await);
    let status = workspace.run(&["status"]).expect(1).stdout;
    assert!(status.contains("applied  V0001__posts") && status.contains("pending  V0002__pages"), "{status}");
    let ran = workspace.run(&["migrate"]).expect(0);
    assert!(ran.stdout.starts_with("applied 1 migration"), "{}", ran.stdout);
    workspace.run(&["plan"]).expect(0);
    let json = workspace.run(&["status", "--format", "json"]).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["plan"]["current"], 2);
    assert_eq!(json["last_run"]["outcome"], "succeeded");
}

#[tokio::test]
async fn a_failing_migration_is_shown_where_it_fails_and_in_the_status() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[ONE, ("V0002__bad.sql", "SELECT 1;\nSELECT nothing;\n")]).on(&db);
    let ran = workspace.run(&["migrate"]).expect(2);
    assert!(ran.stderr.contains("--> V0002__bad.sql:2:8"), "{}", ran.stderr);
    let status = workspace.run(&["status"]).expect(1).stdout;
    assert!(status.contains("last run failed") && status.contains("42703"), "{status}");
    let json = workspace.run(&["migrate", "--format", "json"]).expect(2).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["error"].as_str().unwrap().contains("42703"), "{json}");
}

/// A run with nothing to do is not recorded, so an interrupted run can be the last one on record for ever.
#[tokio::test]
async fn an_interrupted_run_is_shown_while_work_is_left() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[ONE]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    execute(&db, "UPDATE refit.run SET outcome = 'running', finished_at = NULL").await;
    let interrupted = |status: &str| status.contains("last run was interrupted");
    workspace.run(&["migrate"]).expect(0);
    let status = workspace.run(&["status"]).expect(0).stdout;
    assert!(!interrupted(&status), "{status}");
    workspace.write(TWO.0, TWO.1);
    let status = workspace.run(&["status"]).expect(1).stdout;
    assert!(interrupted(&status), "{status}");
    workspace.run(&["migrate"]).expect(0);
    execute(&db, "UPDATE refit.run SET outcome = 'running', finished_at = NULL, undo_to = 1").await;
    let status = workspace.run(&["status"]).expect(0).stdout;
    assert!(status.contains("last rollback was interrupted"), "{status}");
    execute(&db, "UPDATE refit.run SET undo_to = 2").await;
    let status = workspace.run(&["status"]).expect(0).stdout;
    assert!(!status.contains("interrupted"), "{status}");
}

#[tokio::test]
async fn status_shows_the_running_session_and_its_blockers() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[ONE]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    let reader = db.connect().await.unwrap();
    reader.batch_execute("SET application_name = 'slow report'; BEGIN; SELECT * FROM posts").await.unwrap();
    workspace
        .write("V0002__alter.sql", "-- refit: lock_timeout = \"20s\"\nALTER TABLE posts ADD COLUMN a int;\n");
    let mut stuck =
        workspace.command().arg("migrate").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = loop {
        let status = workspace.run(&["status"]).stdout;
        // A session's state is visible slightly before its blockers.
        if status.contains("blocked by") && status.contains("refit V0002__alter") {
            break status;
        }
        assert!(stuck.try_wait().unwrap().is_none(), "{status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(status.contains("slow report"), "{status}");
    reader.batch_execute("COMMIT").await.unwrap();
    assert!(stuck.wait().unwrap().success());
}

#[tokio::test]
async fn without_a_database_some_commands_use_a_private_one() {
    let workspace = Workspace::new(&[ONE]);
    let ran = workspace.run(&["migrate", "--private"]).expect(0);
    assert!(ran.stderr.contains("private PostgreSQL"), "{}", ran.stderr);
}

#[test]
fn a_command_that_cannot_run_exits_with_2_and_a_reason() {
    let workspace = Workspace::new(&[ONE]);
    for (arguments, message) in [
        (&["plan", "--database-url", "mysql://u:hunter2@h/d"][..], "`mysql` is not PostgreSQL"),
        (&["plan", "--database-url", "postgres://u:hunter2@h/d?sslmode=maybe"], "verify-full"),
        (&["migrate", "--to", "soon", "--private"], "expected a version such as 12"),
        (&["migrate", "--to", "77", "--private"], "there is no version 77"),
        (&["plan", "--migrations", "nowhere", "--database-url", "postgres://h/d"], "cannot be read"),
        (&["frobnicate"], "unrecognized subcommand"),
        (
            &["adopt", "--from", "baseline", "--database-url", "postgres:///d?host=/nowhere"],
            "is the socket's folder right",
        ),
    ] {
        let ran = workspace.run(arguments).expect(2);
        assert!(ran.stderr.contains(message), "{arguments:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"), "{}", ran.stderr);
    }
}

#[test]
fn colours_are_for_terminals() {
    let workspace = Workspace::new(&[("v1__bad.sql", "SELECT 1;")]);
    assert!(!workspace.run(&["plan"]).expect(2).stderr.contains('\u{1b}'));
}

#[test]
fn every_shell_gets_completions() {
    let workspace = Workspace::new(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = workspace.run(&["completions", shell]).expect(0).stdout;
        assert!(completions.contains("new-migration") && completions.contains("dry-run"), "{shell}");
    }
}

#[test]
fn devdb_runs_until_it_is_stopped() {
    let workspace = Workspace::new(&[ONE]);
    let name = format!("test-{}", std::process::id());
    let devdb = |action: &str| {
        workspace.run(&["devdb", action, "--name", &name, "--format", "json"]).expect(0).stdout
    };
    assert!(devdb("status").contains("\"running\": false"));
    let started: serde_json::Value = serde_json::from_str(&devdb("start")).unwrap();
    let url = started["url"].as_str().unwrap();
    workspace.run(&["migrate", "--database-url", url]).expect(0);
    workspace.run(&["plan", "--database-url", url]).expect(0);
    assert!(devdb("stop").contains("\"running\": false"));
    workspace.run(&["plan", "--database-url", url]).expect(2);
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_no_error() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[ONE]).on(&db);
    execute(&db, "SELECT 1").await;
    let mut plan =
        workspace.command().arg("plan").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(plan.stdout.take());
    let output = plan.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}
