//! `repair`: the history changes only after the difference was shown.

use std::process::Command;

use crate::support::{Workspace, execute, history, value};
use refit_devdb::TestDb;

const FILE: &str = "V0001__posts.sql";
const TEXT: &str = "-- Posts.\nCREATE TABLE posts (id int);\n";

async fn applied_and_committed(db: &TestDb) -> Workspace {
    let workspace =
        Workspace::new(&[(FILE, TEXT), ("V0002__pages.sql", "CREATE TABLE pages (id int);\n")]).on(db);
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "first"],
    ] {
        assert!(
            Command::new("git").args(arguments).current_dir(workspace.root()).status().unwrap().success()
        );
    }
    workspace.run(&["migrate"]).expect(0);
    workspace
}

#[tokio::test]
async fn nothing_to_repair_is_reported() {
    let db = TestDb::empty().await.unwrap();
    let workspace = applied_and_committed(&db).await;
    assert!(workspace.run(&["repair"]).expect(0).stdout.contains("nothing to repair"));
    workspace.run(&["repair", "--version", "1"]).expect(2);
}

#[tokio::test]
async fn an_edited_comment_is_distinguished_from_an_edited_statement() {
    let db = TestDb::empty().await.unwrap();
    let workspace = applied_and_committed(&db).await;
    let before = history(&db).await;
    workspace.write(FILE, "-- All posts.\nCREATE TABLE posts (\n    id int\n);\n");
    let ran = workspace.run(&["repair"]).expect(2);
    assert!(ran.stdout.contains("only comments and whitespace differ"), "{}", ran.stdout);
    assert!(ran.stderr.contains("give --yes"), "{}", ran.stderr);
    assert_eq!(history(&db).await, before, "nothing is changed unasked");
    workspace.write(FILE, "-- Posts.\nCREATE TABLE posts (id bigint);\n");
    let ran = workspace.run(&["repair", "--yes"]).expect(0);
    assert!(ran.stdout.contains("statements differ"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("-CREATE TABLE posts (id int);\n+CREATE TABLE posts (id bigint);"),
        "{}",
        ran.stdout
    );
    assert_ne!(history(&db).await, before);
    workspace.run(&["migrate"]).expect(0);
    workspace.run(&["plan"]).expect(0);
}

#[tokio::test]
async fn a_text_missing_in_git_is_reported() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[(FILE, TEXT)]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    workspace.write(FILE, "CREATE TABLE posts (id bigint);\n");
    let ran = workspace.run(&["repair", "--yes", "--format", "json"]).expect(0);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json[0]["statements_differ"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_missing_file_is_forgotten_only_with_forget() {
    let db = TestDb::empty().await.unwrap();
    let workspace = applied_and_committed(&db).await;
    let before = history(&db).await;
    std::fs::remove_file(workspace.root().join("migrations").join(FILE)).unwrap();
    assert!(workspace.run(&["repair", "--yes"]).expect(0).stdout.contains("--forget V1"));
    assert_eq!(history(&db).await, before);
    workspace.run(&["repair", "--forget", "1", "--yes"]).expect(0);
    assert!(history(&db).await.starts_with("2:"));
    workspace.run(&["plan"]).expect(0);
}

#[tokio::test]
async fn a_renamed_file_is_accepted() {
    let db = TestDb::empty().await.unwrap();
    let workspace = applied_and_committed(&db).await;
    let folder = workspace.root().join("migrations");
    std::fs::rename(folder.join(FILE), folder.join("V0001__articles.sql")).unwrap();
    workspace.write("V0003__tags.sql", "CREATE TABLE tags (id int);\n");
    let ran = workspace.run(&["migrate"]).expect(2);
    assert!(ran.stderr.contains("was renamed") && ran.stderr.contains("V1__posts.sql"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("edited"), "{}", ran.stderr);
    let before = history(&db).await;
    assert!(workspace.run(&["repair"]).expect(2).stderr.contains("give --yes"));
    assert_eq!(history(&db).await, before);
    workspace.run(&["repair", "--yes"]).expect(0);
    let name = "SELECT name FROM refinery_schema_history WHERE version = 1";
    assert_eq!(value::<String>(&db, name).await, "articles");
    workspace.run(&["migrate"]).expect(0);
    workspace.run(&["plan"]).expect(0);
    assert!(history(&db).await.contains(",3:"));
}

#[tokio::test]
async fn a_file_with_another_number_is_named_and_not_forgotten() {
    let db = TestDb::empty().await.unwrap();
    let workspace = applied_and_committed(&db).await;
    let folder = workspace.root().join("migrations");
    let before = history(&db).await;
    std::fs::rename(folder.join("V0002__pages.sql"), folder.join("V0003__pages.sql")).unwrap();
    // Its number is free, or another file has it, as after a merge.
    for _ in 0..2 {
        let ran = workspace.run(&["migrate"]).expect(2);
        assert!(ran.stderr.contains("rename it back to V2__pages.sql"), "{}", ran.stderr);
        assert!(workspace.run(&["repair", "--yes"]).expect(0).stdout.contains("V2__pages.sql"));
        workspace.run(&["repair", "--forget", "2", "--yes"]).expect(2);
        assert_eq!(history(&db).await, before);
        workspace.write("V0002__tags.sql", "CREATE TABLE tags (id int);\n");
    }
}

/// CREATE INDEX CONCURRENTLY in a run would wait for a session that is blocked in a lock function.
#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_a_run_without_blocking_it() {
    let db = TestDb::empty().await.unwrap();
    let workspace = applied_and_committed(&db).await;
    workspace.write(FILE, "-- All posts.\nCREATE TABLE posts (id int);\n");
    let run = db.connect().await.unwrap();
    let set = refit_model::MigrationSet::from_files("migrations", Vec::new()).unwrap();
    let lock = refit::Migrator::new(set).lock(&run).await.unwrap();
    let repairing = tokio::task::spawn_blocking(move || workspace.run(&["repair", "--yes"]));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(!repairing.is_finished());
    run.batch_execute("CREATE INDEX CONCURRENTLY posts_id ON public.posts (id)").await.unwrap();
    lock.release(&run).await;
    let ran = repairing.await.unwrap().expect(0);
    assert!(ran.stderr.contains("waiting for another run: pid"), "{}", ran.stderr);
}

#[tokio::test]
async fn the_accepted_text_of_a_backfill_is_what_runs() {
    let db = TestDb::empty().await.unwrap();
    let fill = |amount: i64| {
        format!(
            "-- refit: backfill = {{ table = \"posts\", key = [\"id\"] }}\n\
             UPDATE posts SET n = {amount} WHERE id > $1 AND id <= $2 AND n IS NULL;\n"
        )
    };
    let table =
        "CREATE TABLE posts (id int PRIMARY KEY, n int);\nINSERT INTO posts SELECT generate_series(1, 50);\n";
    let workspace = Workspace::new(&[("V0001__posts.sql", table), ("V0002__n.sql", &fill(1))]).on(&db);
    workspace.run(&["migrate", "--backfills", "hold"]).expect(0);
    workspace.write("V0002__n.sql", &fill(2));
    assert!(workspace.run(&["migrate"]).expect(2).stderr.contains("edited"));
    workspace.run(&["repair", "--yes"]).expect(0);
    workspace.run(&["migrate"]).expect(0);
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM posts WHERE n = 2").await, 50);
    // A complete one keeps the text that ran.
    workspace.write("V0002__n.sql", &fill(3));
    workspace.run(&["repair", "--yes"]).expect(0);
    workspace.run(&["migrate"]).expect(0);
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM posts WHERE n = 2").await, 50);
}

#[tokio::test]
async fn an_interrupted_statement_is_marked_done_or_run_again() {
    let db = TestDb::empty().await.unwrap();
    let text = "-- refit: transaction = false\n\
        CREATE TABLE sent (n int);\n\
        CREATE PROCEDURE send() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sent VALUES (1); COMMIT; PERFORM 1 / (SELECT count(*) FROM may); END $$;\n\
        CALL send();\n\
        CREATE TABLE after_it ();\n";
    let workspace =
        Workspace::new(&[("V0001__may.sql", "CREATE TABLE may ();\n"), ("V0002__send.sql", text)]).on(&db);
    for _ in 0..2 {
        let ran = workspace.run(&["migrate"]).expect(2);
        assert!(ran.stderr.contains("--statement-done V2"), "{}", ran.stderr);
        assert_eq!(value::<i64>(&db, "SELECT count(*) FROM sent").await, 1);
    }
    workspace.run(&["repair", "--statement-done", "V3", "--yes"]).expect(2);
    workspace.run(&["repair", "--statement-done", "V2"]).expect(2);
    execute(&db, "INSERT INTO may DEFAULT VALUES").await;
    workspace.run(&["repair", "--statement-again", "V2", "--yes"]).expect(0);
    workspace.run(&["migrate"]).expect(0);
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM sent").await, 2);
    assert!(value::<bool>(&db, "SELECT to_regclass('after_it') IS NOT NULL").await);
    // No statement is left undecided.
    workspace.run(&["repair", "--statement-done", "V2", "--yes"]).expect(2);
}
