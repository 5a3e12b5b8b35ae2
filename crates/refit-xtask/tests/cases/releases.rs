//! `--release`, `--category` and `--to-release`: what is shown, and how far a migration goes.

use refit_devdb::TestDb;

use crate::support::{Workspace, history};

const FILES: [(&str, &str); 6] = [
    (
        "V0001__t.sql",
        "-- refit: release = \"1.0\"\n-- refit: category = \"schema\"\nCREATE TABLE t (id int, n int);\n",
    ),
    ("V0002__rows.sql", "-- refit: category = \"data\"\nINSERT INTO t SELECT 1;\n"),
    (
        "V0003__index.sql",
        "-- refit: release = \"1.0\"\n-- refit: category = \"index\"\nCREATE INDEX t_n ON t (n);\n",
    ),
    (
        "V0004__more.sql",
        "-- refit: release = \"1.1\"\n-- refit: category = \"data\"\nINSERT INTO t SELECT 2;\n",
    ),
    ("V0005__last.sql", "-- refit: release = \"1.1\"\n-- refit: depends = [\"V0004\"]\nSELECT 1;\n"),
    ("R__view.sql", "-- refit: release = \"1.1\"\nCREATE OR REPLACE VIEW v AS SELECT count(*) FROM t;\n"),
];

#[tokio::test]
async fn a_database_is_migrated_to_a_release() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    let planned = workspace.run(&["plan", "--to-release", "1.0"]).expect(1).stdout;
    assert!(planned.contains("3 to run") && !planned.contains("V0004__more"), "{planned}");
    workspace.run(&["migrate", "--to-release", "1.0"]).expect(0);
    assert_eq!(history(&db).await.split(',').count(), 3);
    workspace.run(&["plan", "--to-release", "1.0"]).expect(0);
    for (release, expected) in [
        ("1.00", "no migration has the release 1.00: did you mean 1.0?"),
        ("autumn", "no migration has the release autumn; there are 1.0, 1.1"),
    ] {
        for arguments in [
            ["migrate", "--to-release", release],
            ["plan", "--release", release],
            ["status", "--release", release],
        ] {
            let refused = workspace.run(&arguments).expect(2).stderr;
            assert!(refused.contains(expected), "{arguments:?}: {refused}");
        }
    }
    let both = workspace.run(&["migrate", "--to-release", "1.0", "--to", "1"]).expect(2).stderr;
    assert!(both.contains("cannot be used with"), "{both}");
    workspace.write("V0006__late.sql", "-- refit: release = \"1.0\"\nSELECT 1;\n");
    let refused = workspace.run(&["migrate", "--to-release", "1.0"]).expect(2).stderr;
    assert!(
        refused
            .contains("the release 1.0 is ambiguous: version 4 of 1.1 stands between its versions 1 and 6"),
        "{refused}"
    );
    assert_eq!(history(&db).await.split(',').count(), 3);
}

#[tokio::test]
async fn plan_and_status_show_what_is_asked_for() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    workspace.run(&["migrate", "--to", "2"]).expect(0);
    let steps = |arguments: &[&str], status: i32| {
        let all = [arguments, &["--format", "json"]].concat();
        let json: serde_json::Value =
            serde_json::from_str(&workspace.run(&all).expect(status).stdout).unwrap();
        let plan = json.get("plan").unwrap_or(&json);
        let pending =
            plan["pending"].as_array().unwrap().iter().map(|step| step["stem"].as_str().unwrap().to_owned());
        pending.collect::<Vec<_>>()
    };
    assert_eq!(steps(&["plan", "--category", "data"], 1), ["V0004__more"]);
    assert_eq!(
        steps(&["plan", "--category", "data", "--category", "index"], 1),
        ["V0003__index", "V0004__more"]
    );
    assert_eq!(steps(&["plan", "--release", "1.1"], 1), ["V0004__more", "V0005__last", "R__view"]);
    assert_eq!(steps(&["plan", "--release", "1.1", "--category", "data"], 1), ["V0004__more"]);
    assert_eq!(steps(&["plan", "--category", "schema"], 0), [""; 0]);
    assert_eq!(steps(&["status", "--release", "1.0"], 1), ["V0003__index"]);
    let status = workspace.run(&["status", "--category", "schema"]).expect(0).stdout;
    assert!(status.contains("applied  V0001__t") && !status.contains("V0002__rows"), "{status}");
    let unknown = workspace.run(&["plan", "--category", "dates"]).expect(2).stderr;
    assert!(unknown.contains("expected one of schema, data, index, constraint"), "{unknown}");
}
