//! The hooks of `refit.toml`, as `migrate` and `rollback` run them.

use refit_devdb::TestDb;

use crate::support::{Workspace, value};

#[tokio::test]
async fn migrate_and_rollback_run_hooks() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[
        ("V0001__a.sql", "CREATE TABLE a (id int);\n"),
        ("V0001__a.down.sql", "DROP TABLE a;\n"),
    ])
    .on(&db);
    let log = workspace.root().join("log");
    let append = format!("cat >> {0}; echo >> {0}", log.display());
    let failing = "echo connection refused >&2; exit 1";
    workspace.write(
        "refit.toml",
        &format!(
            "[[hook]]\non = [\"start\", \"success\", \"failure\"]\ncommand = [\"sh\", \"-c\", \"{append}\"]\n\
             [[hook]]\non = [\"failure\"]\ncommand = [\"sh\", \"-c\", \"{failing}\"]\n"
        ),
    );
    let events = || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let event = |line: &str| {
            let message: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{} {}", message["event"].as_str().unwrap(), message["is_rollback"])
        };
        text.lines().map(event).collect::<Vec<_>>()
    };
    // A dry run is no run.
    workspace.run(&["migrate", "--dry-run"]).expect(1);
    assert!(events().is_empty());
    workspace.run(&["migrate"]).expect(0);
    workspace.run(&["rollback", "--to", "0", "--yes"]).expect(0);
    assert_eq!(events(), ["start false", "success false", "start true", "success true"]);
    // The failure of a hook for failures is shown, although no report contains it.
    workspace.write("V0002__bad.sql", "SELECT nothing_here;\n");
    let ran = workspace.run(&["migrate"]).expect(2);
    assert!(
        ran.stderr.contains("nothing_here") && ran.stderr.contains("connection refused"),
        "{}",
        ran.stderr
    );
    assert_eq!(events()[4..], ["start false", "failure false"]);
    assert_eq!(
        value::<String>(&db, "SELECT outcome FROM refit.run ORDER BY id DESC LIMIT 1").await,
        "failed"
    );

    workspace.write(
        "refit.toml",
        "[[hook]]\non = [\"start\"]\nurl = \"https://example.com/x\"\nsecret_env = \"REFIT_TEST_NOT_SET\"\n",
    );
    let ran = workspace.run(&["migrate"]).expect(2);
    assert!(ran.stderr.contains("REFIT_TEST_NOT_SET"), "{}", ran.stderr);
}
