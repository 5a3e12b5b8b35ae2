//! `lint-migrations --since` reports conflicts of two branches, and `--prove` decides them, in git repositories.

use serde_json::Value;

use crate::support::Workspace;
use crate::support::git::{branches, commit, git};

const POSTS: (&str, &str) = (
    "V0001__posts.sql",
    "CREATE TABLE posts (id bigint PRIMARY KEY, title text);\nCREATE TYPE mood AS ENUM ('good');\n\
     CREATE TABLE tags (id bigint PRIMARY KEY, title text);\n",
);

/// The conflicts that the command reports: severity, file and message.
fn conflicts(workspace: &Workspace, arguments: &[&str], status: i32) -> Vec<(String, String, String)> {
    let quiet = ["--allow", "missing-down", "--allow", "missing-check", "--allow", "missing-doc"];
    let all = [&["lint-migrations", "--since", "main", "--format", "json"], &quiet[..], arguments].concat();
    let ran = workspace.run(&all).expect(status);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings = document["findings"].as_array().unwrap().iter();
    let conflicts = findings.filter(|finding| finding["rule"] == "branch-conflict");
    conflicts
        .map(|one| {
            (
                text(one, "severity"),
                text(one, "path"),
                format!("{}\n{}", text(one, "message"), text(one, "help")),
            )
        })
        .collect()
}

fn one_conflict(workspace: &Workspace, arguments: &[&str], status: i32) -> (String, String, String) {
    let mut found = conflicts(workspace, arguments, status);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[test]
fn one_object_and_one_version_are_conflicts() {
    let theirs =
        [("V0002__tags.sql", "ALTER TABLE tags ADD COLUMN a int;\n"), ("V0003__mark.sql", "SELECT 1;\n")];
    let ours = [
        ("V0002__notes.sql", "CREATE TABLE notes (id bigint PRIMARY KEY);\n"),
        ("V0004__more.sql", "SELECT 1;\n-- The second.\nALTER TABLE public.tags ADD COLUMN b int;\n"),
    ];
    let workspace = branches(&[POSTS], &theirs, &ours);
    let found = conflicts(&workspace, &[], 1);
    assert_eq!(found.len(), 2, "{found:#?}");
    let [(version, first, said), (objects, second, touches)] = &found[..] else { panic!() };
    assert_eq!((&**version, &**objects), ("error", "warning"));
    assert_eq!((&**first, &**second), ("migrations/V0002__notes.sql", "migrations/V0004__more.sql"));
    assert!(
        said.contains("V0002__tags.sql of main has version 2, too") && said.contains("cargo xtask renumber"),
        "{said}"
    );
    assert!(
        touches.contains("V0002__tags.sql of main touches tags as well") && touches.contains("--prove"),
        "{touches}"
    );
    let shown = workspace.run(&["lint-migrations", "--since", "main"]).expect(1);
    assert!(shown.stdout.contains("migrations/V0004__more.sql:3:1"), "{}", shown.stdout);
    // Explicit paths are not the folder, and after a merge the order is that of the versions.
    let path = workspace.root().join("migrations/V0004__more.sql");
    let given = workspace.run(&["lint-migrations", "--since", "main", path.to_str().unwrap()]);
    assert!(!given.stdout.contains("branch-conflict"), "{}", given.stdout);
    workspace.run(&["renumber", "--yes"]).expect(0);
    commit(&workspace, "ours");
    git(&workspace, &["merge", "--quiet", "main"]);
    assert_eq!(conflicts(&workspace, &[], 0), []);
}

#[test]
fn what_commutes_is_a_note() {
    let theirs = [("V0002__index.sql", "CREATE TABLE a (post bigint REFERENCES posts (id));\n")];
    let ours = [("V0003__title.sql", "ALTER TABLE posts ALTER COLUMN title SET DEFAULT '';\n")];
    let workspace = branches(&[POSTS], &theirs, &ours);
    assert_eq!(one_conflict(&workspace, &[], 1).0, "warning");
    let (severity, path, message) = one_conflict(&workspace, &["--prove"], 0);
    assert_eq!((&*severity, &*path), ("note", "migrations/V0003__title.sql"));
    assert!(message.contains("both orders make the same schema"), "{message}");
}

#[test]
fn what_does_not_commute_is_an_error_with_the_difference() {
    let theirs = [
        ("V0002__mood.sql", "ALTER TYPE mood ADD VALUE 'bad';\n"),
        ("R__titles.sql", "CREATE OR REPLACE VIEW titles AS SELECT title FROM posts;\n"),
    ];
    let ours = [("V0003__mood.sql", "ALTER TYPE mood ADD VALUE 'fine';\n")];
    let workspace = branches(&[POSTS], &theirs, &ours);
    let (severity, _, message) = one_conflict(&workspace, &["--prove"], 1);
    assert_eq!(severity, "error");
    assert!(
        message.contains("the schema depends on the order of this and V0002__mood.sql of main"),
        "{message}"
    );
    assert!(message.contains("enum public.mood") && message.contains("merge main"), "{message}");
    // Columns: only their order differs.
    workspace.write("V0003__mood.sql", "ALTER TABLE posts ADD COLUMN a int;\n");
    git(&workspace, &["stash", "--quiet", "--include-untracked"]);
    git(&workspace, &["checkout", "--quiet", "main"]);
    workspace.write("V0002__mood.sql", "ALTER TABLE posts ADD COLUMN b int;\n");
    commit(&workspace, "columns");
    git(&workspace, &["checkout", "--quiet", "work"]);
    git(&workspace, &["stash", "pop", "--quiet"]);
    let found = conflicts(&workspace, &["--prove"], 1);
    let columns =
        found.iter().find(|(.., message)| message.contains("the order of columns depends")).unwrap();
    assert_eq!(columns.0, "warning", "{found:#?}");
}

#[test]
fn an_order_that_fails_is_an_error() {
    let theirs = [("V0002__title.sql", "ALTER TABLE posts DROP COLUMN title;\n")];
    let ours = [("V0003__view.sql", "CREATE VIEW titles AS SELECT title FROM posts;\n")];
    let workspace = branches(&[POSTS], &theirs, &ours);
    let (severity, path, message) = one_conflict(&workspace, &["--prove"], 1);
    assert_eq!((&*severity, &*path), ("error", "migrations/V0003__view.sql"));
    let says =
        "V0003__view.sql:1:30 fails if V0002__title.sql of main runs before it: 42703 column \"title\"";
    assert!(message.contains(says), "{message}");
}

#[test]
fn effects_that_no_text_names_are_found_by_the_proof() {
    let trigger = "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS\n\
                   $$ BEGIN INSERT INTO tags (id) VALUES (new.id); RETURN new; END $$;\n\
                   CREATE TRIGGER note AFTER INSERT ON posts FOR EACH ROW EXECUTE FUNCTION note();\n";
    let theirs = [("V0003__drop.sql", "DROP TABLE tags;\n")];
    let ours = [("V0004__row.sql", "INSERT INTO posts (id) VALUES (1);\n")];
    let workspace = branches(&[POSTS, ("V0002__note.sql", trigger)], &theirs, &ours);
    assert_eq!(conflicts(&workspace, &[], 0), []);
    let (severity, path, message) = one_conflict(&workspace, &["--prove"], 1);
    assert_eq!((&*severity, &*path), ("error", "migrations/V0004__row.sql"));
    assert!(message.contains("fails if main runs before this branch: 42P01"), "{message}");
}

#[test]
fn rows_are_not_proven() {
    let theirs = [("V0002__double.sql", "UPDATE posts SET id = id * 2;\n")];
    let ours = [("V0003__next.sql", "UPDATE posts SET id = id + 1;\n")];
    let workspace = branches(&[POSTS], &theirs, &ours);
    let found = conflicts(&workspace, &["--prove"], 1);
    let (severity, _, message) = &found[0];
    assert_eq!(severity, "warning");
    assert!(
        message.contains("change rows of posts") && message.contains("rows are not compared"),
        "{message}"
    );
}
