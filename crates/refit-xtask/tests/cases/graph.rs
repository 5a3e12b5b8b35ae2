//! `plan --graph`: the tree, the Mermaid chart, the JSON, and what the build refuses.

use refit_devdb::TestDb;

use crate::support::Workspace;

const FILES: [(&str, &str); 8] = [
    ("V0001__t.sql", "CREATE TABLE t (id bigint PRIMARY KEY, n int);\n"),
    (
        "V0002__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET n = 1 WHERE id > $1 AND id <= $2 AND n IS NULL;\n",
    ),
    ("V0003__index.sql", "-- refit: after = [\"V0002\"]\nCREATE INDEX t_n ON t (n);\n"),
    ("V0004__manual.sql", "-- refit: manual = true\nSELECT 1;\n"),
    (
        "V0005__strict.sql",
        "-- refit: after = [\"V0003\"]\n-- refit: depends = [\"V0003\", \"V0004\"]\nSELECT 1;\n",
    ),
    ("V0006__end.sql", "-- refit: depends = [\"V0005\"]\nSELECT 1;\n"),
    (
        "V0007__staging.sql",
        "-- refit: environments = [\"staging\"]\n-- refit: depends = [\"V0002\"]\nSELECT 1;\n",
    ),
    ("R__view.sql", "CREATE OR REPLACE VIEW v AS SELECT 1 AS a;\n"),
];

#[tokio::test]
async fn the_graph_is_drawn() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    insta::assert_snapshot!("graph_tree", workspace.run(&["plan", "--graph"]).expect(0).stdout);
    workspace.run(&["migrate", "--backfills", "hold"]).expect(0);
    insta::assert_snapshot!("graph_mermaid", workspace.run(&["plan", "--graph", "mermaid"]).expect(0).stdout);
    let json = workspace.run(&["plan", "--graph", "--format", "json"]).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["others"], 1);
    assert_eq!(
        (&json["migrations"][0]["state"], &json["migrations"][1]["state"]),
        (&"applied".into(), &"held".into())
    );
    assert_eq!(json["edges"][0], serde_json::json!({ "on": 2, "waits": 3, "directive": "after" }));
    let both = workspace.run(&["plan", "--graph", "--sql"]).expect(2).stderr;
    assert!(both.contains("cannot be used with"), "{both}");
}

/// Names of versions that do not exist and cycles are errors of the folder, so of the build.
#[test]
fn a_graph_that_cannot_be_ordered_is_refused() {
    let one = "-- refit: depends = [\"V0002\"]\nSELECT 1;\n";
    let two = "-- refit: depends = [\"V0001\", \"V0009\", \"V0002\"]\nSELECT 1;\n";
    let workspace =
        Workspace::new(&[("V0001__a.sql", one), ("V0002__b.sql", two)]).at("postgres://nowhere.invalid/x");
    let refused = workspace.run(&["plan", "--graph"]).expect(2).stderr;
    assert!(refused.contains("has 3 problems"), "{refused}");
    assert!(refused.contains("V0001__a.sql: `depends` names version 2, which is not earlier"), "{refused}");
    assert!(refused.contains("V0002__b.sql: `depends` names version 2, which is not earlier"), "{refused}");
    assert!(refused.contains("V0002__b.sql: `depends` names version 9, which does not exist"), "{refused}");
}
