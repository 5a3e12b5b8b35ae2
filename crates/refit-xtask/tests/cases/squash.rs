//! `squash` as a process: a new database begins with the checkpoint, an old one keeps its history, and both end alike.

use refit_catalog::{Catalog, Delta, ReadOptions};
use refit_devdb::TestDb;
use refit_model::MigrationSet;
use serde_json::Value;

use crate::support::{Workspace, execute, history, value};

const POSTS: &str = "CREATE TABLE posts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, note text);\n\
                     COMMENT ON TABLE posts IS 'it''s\n\n--\nlong';\n";
const STATUS: &str = "CREATE SCHEMA app;\nCREATE TYPE app.mood AS ENUM ('good', 'bad');\n\
                      ALTER TABLE posts DROP COLUMN note, ADD COLUMN mood app.mood DEFAULT 'good';\n\
                      CREATE FUNCTION app.double(n bigint) RETURNS bigint LANGUAGE sql AS $$\n\n\n--\nSELECT n * 2 $$;\n\
                      ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO pg_monitor;\n\
                      GRANT SELECT ON posts TO pg_monitor;\n";
const INDEX: &str =
    "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY posts_title ON posts (title);\n";
const VIEW: &str = "CREATE VIEW titles AS SELECT title FROM posts;\n";

fn workspace() -> Workspace {
    Workspace::new(&[
        ("V0001__posts.sql", POSTS),
        ("V0002__status.sql", STATUS),
        ("V0003__index.sql", INDEX),
        ("V0004__column.sql", "ALTER TABLE posts ADD COLUMN d bigint DEFAULT app.double(4);\n"),
        ("R__titles.sql", &VIEW.replace("CREATE VIEW", "CREATE OR REPLACE VIEW")),
    ])
}

async fn schema(db: &TestDb) -> Catalog {
    let client = db.connect().await.unwrap();
    let catalog = Catalog::read(&client, &ReadOptions::default()).await.unwrap();
    client.close().await;
    catalog
}

#[tokio::test]
async fn a_new_database_and_an_old_one_end_in_the_same_schema() {
    let (old, new) = (TestDb::empty().await.unwrap(), TestDb::empty().await.unwrap());
    let workspace = workspace();
    let run = |db: &TestDb, arguments: &[&str], status: i32| {
        workspace.run(&[arguments, &["--database-url", db.url()]].concat()).expect(status)
    };
    run(&old, &["migrate"], 0);
    let before = history(&old).await;
    let squashed = workspace.run(&["squash", "--to", "V0003"]).expect(0);
    assert!(
        squashed.stdout.contains("written B0003__baseline.sql: the schema of 3 migrations"),
        "{}",
        squashed.stdout
    );
    let text = workspace.read("B0003__baseline.sql");
    assert!(!text.contains("V0004") && !text.contains("titles") && !text.contains("postgres;"), "{text}");
    // Nothing to do for the old one.
    let plan = run(&old, &["plan"], 0);
    assert!(plan.stdout.contains("up to date"), "{}", plan.stdout);
    let plan = run(&new, &["plan"], 1);
    assert!(
        plan.stdout.contains("B0003__baseline") && !plan.stdout.contains("V0003__index"),
        "{}",
        plan.stdout
    );
    assert!(plan.stdout.contains("V0004__column") && plan.stdout.contains("3 to run"), "{}", plan.stdout);
    let ran = run(&new, &["migrate"], 0);
    assert!(ran.stdout.contains("the database is at version 4"), "{}", ran.stdout);
    assert_eq!(history(&new).await, before);
    let report = run(&new, &["report", "--format", "json"], 0);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(
        (&report["steps"][0]["kind"], &report["steps"][0]["file"]),
        (&"checkpoint".into(), &"B0003__baseline.sql".into())
    );
    // Both get the next one.
    workspace.write("V0005__next.sql", "ALTER TABLE posts ADD COLUMN e app.mood;\n");
    for db in [&old, &new] {
        run(db, &["migrate"], 0);
        run(db, &["plan"], 0);
    }
    assert_eq!(history(&new).await, history(&old).await);
    let delta = Delta::between(&schema(&old).await, &schema(&new).await);
    assert!(delta.is_empty(), "{}", delta.text());
    // Rows can be written with the defaults and the identity of the checkpoint.
    execute(&new, "INSERT INTO posts (title) VALUES ('a')").await;
    assert_eq!(value::<String>(&new, "SELECT id || ' ' || mood || ' ' || d FROM posts").await, "1 good 8");
}

#[tokio::test]
async fn replicas_that_boot_at_once_begin_once_and_what_was_squashed_can_be_rolled_back() {
    let workspace = workspace();
    workspace.write("V0002__status.down.sql", "DROP VIEW IF EXISTS titles;\nALTER TABLE posts DROP COLUMN mood, ADD COLUMN note text;\nDROP SCHEMA app CASCADE;\n");
    workspace.write("V0003__index.down.sql", "DROP INDEX posts_title;\n");
    workspace.write("V0004__column.down.sql", "ALTER TABLE posts DROP COLUMN d;\n");
    workspace.run(&["squash", "--to", "3"]).expect(0);
    let db = TestDb::empty().await.unwrap();
    let workspace = workspace.on(&db);
    let started: Vec<_> = (0..3).map(|_| workspace.command().arg("migrate").spawn().unwrap()).collect();
    for mut replica in started {
        assert!(replica.wait().unwrap().success());
    }
    let began: i64 = value(&db, "SELECT count(*) FROM refit.step WHERE kind = 'checkpoint'").await;
    assert_eq!(began, 1);
    workspace.run(&["rollback", "--to", "1", "--yes"]).expect(0);
    assert!(history(&db).await.starts_with("1:"));
    // The database is not new any more.
    let plan = workspace.run(&["plan"]).expect(1);
    assert!(plan.stdout.contains("V0002__status") && !plan.stdout.contains("B0003"), "{}", plan.stdout);
    workspace.run(&["migrate"]).expect(0);
}

#[tokio::test]
async fn an_edit_needs_a_new_checkpoint_and_the_newest_counts() {
    let workspace = workspace();
    workspace.run(&["squash", "--to", "2"]).expect(0);
    workspace.write("V0002__status.sql", &format!("{STATUS}-- Edited.\n"));
    let db = TestDb::empty().await.unwrap();
    let workspace = workspace.on(&db);
    let refused = workspace.run(&["migrate"]).expect(2);
    assert!(
        refused.stderr.contains("B0002__baseline.sql: it is not of the migrations up to 2"),
        "{}",
        refused.stderr
    );
    workspace.write("V0002__status.sql", STATUS);
    let next = workspace.run(&["squash", "--to", "4", "--name", "start"]).expect(0);
    assert!(next.stderr.contains("B0002__baseline.sql is no longer used"), "{}", next.stderr);
    let plan = workspace.run(&["plan"]).expect(1);
    assert!(plan.stdout.contains("B0004__start") && !plan.stdout.contains("V000"), "{}", plan.stdout);
    // Up to a lower version, the migrations themselves run.
    let plan = workspace.run(&["migrate", "--to", "3", "--dry-run"]).expect(1);
    assert!(plan.stdout.contains("V0003__index") && !plan.stdout.contains("B0004"), "{}", plan.stdout);
    // A script has them, too.
    let script = workspace.run(&["plan", "--sql"]).expect(0);
    assert!(script.stdout.contains("V0001__posts") && !script.stdout.contains("B0004"), "{}", script.stdout);
    // What has to be approved is each of them.
    workspace.write("refit.toml", "[environment.production]\napprovals = 1\n");
    let plan = workspace.run(&["plan"]).expect(1);
    assert!(plan.stdout.contains("V0001__posts") && !plan.stdout.contains("B0004"), "{}", plan.stdout);
}

#[tokio::test]
async fn another_schema_runs_the_migrations() {
    let workspace = workspace();
    workspace.run(&["squash", "--to", "3"]).expect(0);
    let db = TestDb::empty().await.unwrap();
    execute(&db, "CREATE SCHEMA tenant").await;
    let url = format!("{}?options=-csearch_path%3Dtenant", db.url());
    let workspace = workspace.at(&url);
    let plan = workspace.run(&["plan"]).expect(1);
    assert!(plan.stdout.contains("V0001__posts") && !plan.stdout.contains("B0003"), "{}", plan.stdout);
    workspace.run(&["migrate"]).expect(0);
    assert_eq!(
        value::<String>(
            &db,
            "SELECT to_regclass('tenant.posts')::text || coalesce(to_regclass('public.posts')::text, '')"
        )
        .await,
        "tenant.posts"
    );
}

#[tokio::test]
async fn rows_are_refused_or_carried() {
    let workspace = workspace();
    workspace.write(
        "V0002__status.sql",
        &format!("{STATUS}INSERT INTO posts (title) VALUES ('it''s'), (E'two\\nlines');\n"),
    );
    let refused = workspace.run(&["squash", "--to", "3"]).expect(2);
    assert!(
        refused.stderr.contains("public.posts: 2 rows") && refused.stderr.contains("--with-rows"),
        "{}",
        refused.stderr
    );
    assert!(!workspace.files().iter().any(|file| file.starts_with('B')));
    let dry =
        workspace.run(&["squash", "--to", "3", "--with-rows", "--dry-run", "--format", "json"]).expect(0);
    let document: Value = serde_json::from_str(&dry.stdout).unwrap();
    assert_eq!((&document["written"], &document["rows"][0]["rows"]), (&false.into(), &2.into()));
    assert!(!workspace.files().iter().any(|file| file.starts_with('B')));
    workspace.run(&["squash", "--to", "3", "--with-rows"]).expect(0);
    let db = TestDb::empty().await.unwrap();
    let workspace = workspace.on(&db);
    workspace.run(&["migrate"]).expect(0);
    // The identity continues after the rows.
    execute(&db, "INSERT INTO posts (title) VALUES ('c')").await;
    assert_eq!(
        value::<String>(&db, "SELECT string_agg(id || title, ',' ORDER BY id) FROM posts").await,
        "1it's,2two\nlines,3c"
    );
}

#[test]
fn what_a_checkpoint_cannot_contain_is_refused() {
    let fill = "-- refit: backfill = { table = \"posts\", key = [\"id\"] }\nUPDATE posts SET title = 'x' WHERE id > $1 AND id <= $2;\n";
    for (file, text, says) in [
        ("V0002__status.sql", "-- refit: manual = true\nSELECT 1;\n", "does not run on every database"),
        (
            "V0002__status.sql",
            "-- refit: environments = [\"test\"]\nSELECT 1;\n",
            "does not run on every database",
        ),
        ("refit.toml", "[variables]\na = \"1\"\n", "has placeholders"),
        ("V0003__index.sql", fill, "`after` names the backfill 3"),
        (
            "V0002__status.sql",
            "CREATE ROLE squashed_role;\nCREATE TABLE t ();\nGRANT SELECT ON t TO squashed_role;\n",
            "squashed_role",
        ),
    ] {
        let workspace = Workspace::new(&[("V0001__posts.sql", POSTS), ("V0004__end.sql", "SELECT 1;\n")]);
        workspace.write("V0002__status.sql", "SELECT 2;\n");
        workspace.write("V0003__index.sql", "SELECT 3;\n");
        workspace.write(file, text);
        match file {
            "refit.toml" => workspace.write("V0002__status.sql", "SELECT ${a};\n"),
            "V0003__index.sql" => {
                workspace.write("V0004__end.sql", "-- refit: after = [\"V0003\"]\nSELECT 1;\n")
            }
            _ => {}
        }
        MigrationSet::from_dir(&workspace.root().join("migrations")).unwrap();
        let refused = workspace.run(&["squash", "--to", "3"]).expect(2);
        assert!(refused.stderr.contains(says), "{says}: {}", refused.stderr);
        assert!(!workspace.files().iter().any(|file| file.starts_with('B')));
    }
    let workspace = Workspace::new(&[("V0001__posts.sql", POSTS)]);
    let none = workspace.run(&["squash", "--to", "9"]).expect(2);
    assert!(none.stderr.contains("there is no version 9"), "{}", none.stderr);
}
