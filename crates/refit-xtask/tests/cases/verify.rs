//! `verify`: differences between a database and the snapshot of its migrations.

use refit_devdb::TestDb;
use serde_json::Value;

use crate::support::{Workspace, execute};

const FILES: [(&str, &str); 2] = [
    ("V0001__t.sql", "CREATE TABLE t (id bigint PRIMARY KEY, a text, CONSTRAINT a_known CHECK (a <> ''));\n"),
    ("V0002__u.sql", "CREATE TABLE u (id bigint REFERENCES t);\n"),
];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn verified() -> (TestDb, Workspace) {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    workspace.run(&["snapshot"]).expect(0);
    workspace.run(&["migrate"]).expect(0);
    (db, workspace)
}

#[tokio::test]
async fn every_difference_is_listed() {
    let (db, workspace) = verified().await;
    let text = workspace.run(&["verify"]).expect(0).stdout;
    assert!(text.contains("no drift: the schema matches the migrations, at version 2"), "{text}");
    let by_hand = "CREATE INDEX by_hand ON t (a); ALTER TABLE t DROP CONSTRAINT a_known;
                   ALTER TABLE u ALTER id SET NOT NULL; CREATE SCHEMA monitoring; CREATE TABLE monitoring.m (id int);";
    execute(&db, by_hand).await;
    let text = workspace.run(&["verify"]).expect(1).stdout;
    for line in [
        "+ index by_hand of public.t: btree (a)",
        "- constraint a_known of public.t: check (a <> ''::text)",
        "~ column public.u.id: not null no → yes",
        "+ table monitoring.m",
        "drift: 5 differences",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let arguments = ["verify", "--ignore-schema", "monitoring", "--format", "json"];
    let document = json(&workspace.run(&arguments).expect(1).stdout);
    assert_eq!((&document["state"], &document["version"]), (&"drift".into(), &2.into()));
    let differences = document["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 3);
    assert!(differences.iter().any(|one| one["verb"] == "added" && one["name"] == "by_hand"));
    assert_eq!(document["snapshot"]["version"], 2);
    // The history of a tool that the database was adopted from, and ignored objects.
    execute(&db, "CREATE TABLE _sqlx_migrations (version bigint); CREATE TABLE scratch (id int);").await;
    let arguments = ["verify", "--ignore-schema", "monitoring", "--ignore-table", "scratch"];
    assert!(workspace.run(&arguments).expect(1).stdout.contains("drift: 3 differences"));
    execute(&db, "DROP TABLE scratch").await;
    // Settings of the database itself are not drift, but are reported.
    execute(&db, "DROP SCHEMA monitoring CASCADE; DROP INDEX by_hand; ALTER TABLE u ALTER id DROP NOT NULL;
                  ALTER TABLE t ADD CONSTRAINT a_known CHECK (a <> '');
                  DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''5MB''', current_database()); END $$").await;
    let text = workspace.run(&["verify"]).expect(0).stdout;
    assert!(text.contains("not counted: ~ database") && text.contains("work_mem"), "{text}");
}

#[tokio::test]
async fn objects_are_ignored_by_pattern() {
    let (db, workspace) = verified().await;
    execute(
        &db,
        "CREATE TABLE ev_2025 (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text); CREATE INDEX ON ev_2025 (a);
         CREATE TABLE ev_2026 (id bigserial PRIMARY KEY); CREATE TABLE events (id int);
         CREATE SCHEMA tool_a; CREATE TABLE tool_a.x (id int); CREATE SCHEMA tool_b; CREATE VIEW tool_b.v AS SELECT 1 AS a;",
    )
    .await;
    assert!(workspace.run(&["verify"]).expect(1).stdout.contains("+ table public.ev_2025"));
    let given = ["verify", "--ignore-table", "ev_20??", "--ignore-schema", "tool_*"];
    let text = workspace.run(&given).expect(1).stdout;
    assert!(text.contains("drift: 1 difference") && text.contains("+ table public.events"), "{text}");
    let toml = "[verify]\nignore_tables = [\"ev*s\", \"ev_*\"]\nignore_schemas = [\"tool_*\"]\n";
    workspace.write("refit.toml", toml);
    workspace.run(&["snapshot"]).expect(0);
    workspace.run(&["verify"]).expect(0);
}

#[tokio::test]
async fn changed_privileges_are_listed() {
    let (db, workspace) = verified().await;
    execute(
        &db,
        "DROP ROLE IF EXISTS rf_app_reader; CREATE ROLE rf_app_reader; GRANT SELECT ON t TO rf_app_reader;
         REVOKE ALL ON TABLE u FROM CURRENT_USER; ALTER TABLE t SET (autovacuum_enabled = off);",
    )
    .await;
    let text = workspace.run(&["verify"]).expect(1).stdout;
    for line in [
        "~ table public.t: grants to rf_app_reader none → SELECT",
        "~ table public.u: grants to (owner) ALL (default) → none",
        "autovacuum_enabled",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    execute(&db, "DROP OWNED BY rf_app_reader; DROP ROLE rf_app_reader").await;
}

#[tokio::test]
async fn a_revoked_default_privilege_is_listed() {
    let db = TestDb::empty().await.unwrap();
    let files = [(
        "V0001__f.sql",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';\nCREATE TYPE mood AS ENUM ('a');\n",
    )];
    let workspace = Workspace::new(&files).on(&db);
    workspace.run(&["snapshot"]).expect(0);
    workspace.run(&["migrate"]).expect(0);
    execute(&db, "REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC; REVOKE USAGE ON TYPE mood FROM PUBLIC").await;
    let text = workspace.run(&["verify"]).expect(1).stdout;
    for line in [
        "~ function public.f(): grants to PUBLIC EXECUTE (default) → none",
        "~ enum public.mood: grants to PUBLIC USAGE (default) → none",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[tokio::test]
async fn another_version_is_not_drift() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    workspace.run(&["snapshot"]).expect(0);
    workspace.run(&["migrate", "--to", "1"]).expect(0);
    let text = workspace.run(&["verify"]).expect(1).stdout;
    assert!(
        text.contains("behind: at version 1, the snapshot is of version 2 (1 not applied); not compared"),
        "{text}"
    );
    workspace.run(&["migrate"]).expect(0);
    std::fs::remove_file(workspace.root().join("migrations/V0002__u.sql")).unwrap();
    let stale = workspace.run(&["verify"]).expect(2).stderr;
    assert!(stale.contains("from other migrations") && stale.contains("`cargo xtask snapshot`"), "{stale}");
    workspace.run(&["snapshot"]).expect(0);
    let document = json(&workspace.run(&["verify", "--format", "json"]).expect(1).stdout);
    assert_eq!(document["state"], "ahead");
    assert_eq!(document["differences"], Value::Array(Vec::new()));
    workspace.write("V0001__t.sql", "CREATE TABLE t (id bigint PRIMARY KEY);\n");
    workspace.run(&["snapshot"]).expect(0);
    assert!(workspace.run(&["verify"]).expect(1).stdout.contains("refused: the history does not match"));
}

#[tokio::test]
async fn errors_that_prevent_a_comparison_are_reported() {
    let (_db, workspace) = verified().await;
    let fails_with = |arguments: &[&str], words: &str| {
        let ran = workspace.run(arguments).expect(2);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    };
    fails_with(
        &["verify", "--database-url", "postgres://u:secret@127.0.0.1:1/x"],
        "cannot connect to u@127.0.0.1:1/x",
    );
    fails_with(&["verify", "--database-url", "mysql://x"], "invalid database URL");
    fails_with(&["verify", "--snapshot", "nowhere.json"], "nowhere.json; `cargo xtask snapshot` writes it");
    let file = workspace.root().join("migrations/snapshots/schema.json");
    let edited = std::fs::read_to_string(&file).unwrap().replace("\"bigint\"", "\"integer\"");
    std::fs::write(&file, edited).unwrap();
    fails_with(&["verify"], "the digest does not match: it was edited by hand");
    std::fs::write(&file, "{}").unwrap();
    fails_with(&["verify"], "`set` is missing");
    // Migrations of one environment only.
    workspace
        .write("V0003__test.sql", "-- refit: environments = [\"test\"]\nCREATE TABLE only_test (id int);\n");
    workspace.run(&["snapshot"]).expect(0);
    fails_with(
        &["verify", "--environment", "test"],
        "the snapshot was written for the environment production",
    );
}
