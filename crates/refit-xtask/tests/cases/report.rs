//! `cargo xtask report` as a process: every format, the list, and two runs compared.

use refit_devdb::TestDb;
use serde_json::Value;

use crate::support::backups::script;
use crate::support::{Ran, Workspace, execute};

const HOSTILE: &str =
    "DO $$ BEGIN RAISE WARNING '<script>alert(1)</script> | \x1b[31m `x`'; END $$;\nSELECT 1;\n";

fn workspace(db: &TestDb) -> Workspace {
    let files = [
        (
            "V0001__posts.sql",
            "CREATE TABLE posts (id int PRIMARY KEY, n int);\nINSERT INTO posts SELECT generate_series(1, 100);\n",
        ),
        ("V0002__say.sql", HOSTILE),
        (
            "V0003__n.sql",
            "-- refit: backfill = { table = \"posts\", key = [\"id\"] }\n\
             UPDATE posts SET n = id WHERE id > $1 AND id <= $2 AND n IS NULL;\n",
        ),
        ("V0004__after.sql", "-- refit: after = [\"V0003\"]\nSELECT 1;\n"),
    ];
    Workspace::new(&files).on(db)
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

fn problems(document: &Value) -> Vec<String> {
    let schema = include_str!("../../../../docs/report-schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    validator.iter_errors(document).map(|error| error.to_string()).collect()
}

#[tokio::test]
async fn the_last_run_and_each_other_are_shown_in_every_format() {
    let db = TestDb::empty().await.unwrap();
    let workspace = workspace(&db);
    assert!(workspace.run(&["report"]).expect(2).stderr.contains("no run is recorded"));
    let ran = workspace.run(&["migrate", "--release", "1.4.2"]).expect(0);
    assert!(ran.stderr.contains("warning V0002__say: <script>"), "{}", ran.stderr);

    let last = json(&workspace.run(&["report", "--format", "json"]).expect(0));
    assert_eq!((&last["id"], &last["steps"][0]["file"]), (&2.into(), &"V0004__after.sql".into()));
    let first = json(&workspace.run(&["report", "1", "--format", "json"]).expect(0));
    assert_eq!(first["backfills"][0]["rows"], 100);
    assert_eq!(first["release"], "1.4.2");
    for document in [&first, &last] {
        assert_eq!(problems(document), [""; 0]);
    }
    // The schema rejects what is not a report.
    let mut other = first.clone();
    other["steps"][0]["outcome"] = "done".into();
    assert_eq!(problems(&other).len(), 1);

    let text = workspace.run(&["report", "1"]).expect(0).stdout;
    for part in ["Run 1 succeeded", "V0002__say.sql", "1 warning", "V0003__n", "Held back", "1.4.2"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let markdown = workspace.run(&["report", "1", "--format", "markdown"]).expect(0).stdout;
    assert!(markdown.contains("| V0002\\_\\_say.sql | succeeded |"), "{markdown}");
    assert!(markdown.contains("\\<script\\>") && !markdown.contains('\u{1b}'), "{markdown}");
    assert!(workspace.run(&["report", "99"]).expect(2).stderr.contains("there is no record of run 99"));
    assert!(workspace.run(&["report", "0"]).expect(2).stderr.contains("RUN"));
    assert!(workspace.run(&["report", "--list", "1"]).expect(2).stderr.contains("cannot be used with"));
}

#[tokio::test]
async fn budgets_and_backups_of_a_run_are_reported() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[
        ("V0001__t.sql", "CREATE TABLE t (id int PRIMARY KEY);\n"),
        (
            "budgets/slow.sql",
            "-- budget: slow { p95 = \"1ms\", runs = 2 }\nSELECT pg_sleep(0.02);\n-- budget: t\nSELECT id FROM t;\n",
        ),
    ])
    .on(&db);
    let folder = script("snapshot", "echo snap-0123");
    let program = folder.path().join("snapshot").display().to_string();
    let run =
        ["migrate", "--budgets", "enforce", "--backup", "command", "--backup-command", program.as_str()];
    workspace.run(&run).expect(2);
    let failed = json(&workspace.run(&["report", "--format", "json"]).expect(0));
    assert_eq!(problems(&failed), [""; 0]);
    assert_eq!((&failed["outcome"], &failed["budgets"][0]["name"]), (&"failed".into(), &"slow".into()));
    assert!(failed["budgets"][0]["after"]["p95"].as_f64().unwrap() > 0.02, "{failed}");
    assert_eq!(failed["budgets"][1]["before"], Value::Null);
    let backup = &failed["backups"][0];
    assert_eq!((&backup["id"], &backup["state"]), (&"snap-0123".into(), &"complete".into()));
    let text = workspace.run(&["report"]).expect(0).stdout;
    for part in ["Budgets", "over", "95 % before", "Backups", "snap-0123"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn the_page_is_complete_and_escaped() {
    let db = TestDb::empty().await.unwrap();
    let workspace = workspace(&db);
    workspace.run(&["migrate"]).expect(0);
    let file = workspace.root().join("run.html");
    let ran =
        workspace.run(&["report", "1", "--format", "html", "--output", file.to_str().unwrap()]).expect(0);
    assert_eq!(ran.stdout, "");
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-"));
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
    for fetched in ["http:", "https:", "src=", "url(", "@import", " style=", "\u{1b}"] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    // An output that cannot be written leaves nothing behind.
    let missing = workspace.root().join("no/such/folder.html");
    let ran = workspace.run(&["report", "--output", missing.to_str().unwrap()]).expect(2);
    assert!(ran.stderr.contains("cannot write"), "{}", ran.stderr);
}

#[tokio::test]
async fn runs_are_listed_and_compared() {
    let db = TestDb::empty().await.unwrap();
    let workspace =
        Workspace::new(&[("V0001__a.sql", "SELECT 1;\n"), ("V0002__b.sql", "SELECT nothing;\n")]).on(&db);
    workspace.run(&["migrate"]).expect(2);
    workspace.write("V0002__b.sql", "SELECT pg_sleep(0.05);\n");
    workspace.run(&["migrate"]).expect(0);
    let list = workspace.run(&["report", "--list"]).expect(0).stdout;
    assert!(list.contains("failed") && list.contains("succeeded") && list.contains("production"), "{list}");
    let listed = json(&workspace.run(&["report", "--list", "--limit", "1", "--format", "json"]).expect(0));
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &2.into()));
    let compared = json(&workspace.run(&["report", "1", "--diff", "2", "--format", "json"]).expect(0));
    let steps = compared["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{compared}");
    assert_eq!((&steps[0]["before"]["outcome"], &steps[0]["after"]), (&"succeeded".into(), &Value::Null));
    assert_eq!(steps[1]["before"]["outcome"], "failed");
    assert_eq!(steps[1]["after"]["outcome"], "succeeded");
    let text = workspace.run(&["report", "1", "--diff", "2"]).expect(0).stdout;
    assert!(text.contains("Run 1 and run 2") && text.contains("not run"), "{text}");
}

/// A run of a release that kept less is shown with what there is.
#[tokio::test]
async fn records_of_an_older_release_are_shown() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[("V0001__a.sql", "SELECT 1;\n")]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    execute(
        &db,
        "ALTER TABLE refit.run DROP release, DROP waited, DROP held, DROP warnings;
         ALTER TABLE refit.step DROP file, DROP lock_waits, DROP notices",
    )
    .await;
    let document = json(&workspace.run(&["report", "--format", "json"]).expect(0));
    assert_eq!(problems(&document), [""; 0]);
    assert_eq!((&document["steps"][0]["file"], &document["release"]), (&Value::Null, &Value::Null));
    assert!(workspace.run(&["report"]).expect(0).stdout.contains("V1__a"));
}
