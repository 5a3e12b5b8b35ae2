//! `plan --sql` and `rollback --sql` as processes: a script alone on standard output, as a file or as JSON. What it does is proven
//! by the integration tests.

use std::process::{Command, Stdio};

use refit_devdb::TestDb;

use crate::support::{Workspace, history, value};

const FILES: [(&str, &str); 3] = [
    ("V0001__t.sql", "CREATE TABLE t (a text DEFAULT 'tab\there, escape \u{1b}[0m');\n"),
    ("V0001__t.down.sql", "DROP TABLE t;\n"),
    ("V0002__u.sql", "CREATE TABLE u (id int);\n"),
];

/// Applies a script as the documentation says, if there is a psql.
fn psql(db: &TestDb, workspace: &Workspace, script: &str) -> bool {
    let file = workspace.root().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let psql =
        Command::new("psql").arg("-X").arg("-f").arg(&file).arg(db.url()).stdout(Stdio::null()).status();
    psql.is_ok_and(|status| {
        assert!(status.success());
        true
    })
}

#[tokio::test]
async fn a_script_is_printed_as_it_is() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    let script = workspace.run(&["plan", "--sql", "--to", "1"]).expect(0).stdout;
    assert!(script.starts_with("-- Applies by hand what `cargo xtask migrate` would apply."), "{script}");
    assert!(script.contains("escape \u{1b}[0m") && !script.contains("CREATE TABLE u"), "{script}");
    let json = workspace.run(&["plan", "--sql", "--to", "1", "--format", "json"]).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["script"].as_str().unwrap().trim_end(), script.trim_end());
    assert!(!value::<bool>(&db, "SELECT to_regclass('t') IS NOT NULL").await, "nothing is applied");
    if !psql(&db, &workspace, &script) {
        return;
    }
    assert!(workspace.run(&["plan", "--to", "1"]).expect(0).stdout.contains("up to date"));
    let status = workspace.run(&["status"]).expect(1).stdout;
    assert!(status.contains("applied  V0001__t") && !status.contains("last run"), "{status}");
    let nothing = workspace.run(&["plan", "--sql", "--to", "1"]).expect(0).stdout;
    assert!(
        nothing.ends_with("-- up to date\n") && nothing.lines().all(|line| line.starts_with("--")),
        "{nothing}"
    );
    let script = workspace.run(&["rollback", "--sql"]).expect(0).stdout;
    assert!(script.contains("-- Undoes by hand") && script.contains("DROP TABLE t;"), "{script}");
    psql(&db, &workspace, &script);
    assert_eq!(history(&db).await, "");
    let nothing = workspace.run(&["rollback"]).expect(0).stdout;
    assert!(nothing.contains("nothing to undo"), "{nothing}");
}

#[tokio::test]
async fn no_script_is_made_of_a_plan_that_may_not_run() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    workspace.run(&["migrate"]).expect(0);
    let refused = workspace.run(&["rollback", "--sql"]).expect(2);
    assert!(refused.stderr.contains("V0002__u.sql has no V0002__u.down.sql") && refused.stdout.is_empty());
    workspace.write("V0001__t.sql", "CREATE TABLE t (a int);\n");
    let refused = workspace.run(&["plan", "--sql"]).expect(2);
    assert!(refused.stderr.contains("V0001__t.sql") && refused.stdout.is_empty(), "{}", refused.stderr);
    for arguments in [["rollback", "--sql", "--yes"], ["rollback", "--sql", "--dry-run"]] {
        workspace.run(&arguments).expect(2);
    }
}
