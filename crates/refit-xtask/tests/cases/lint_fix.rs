//! `lint-migrations --fix` as a process, in a git repository.

use serde_json::Value;

use crate::support::git::{contents, git};
use crate::support::{Ran, Workspace};

const POSTS: (&str, &str) =
    ("V0001__posts.sql", "CREATE TABLE posts (id bigint PRIMARY KEY, body text, état text);\n");
const CHECK: &str =
    "-- Bodies are not empty.\nALTER TABLE posts ADD CONSTRAINT posts_body_check CHECK (body <> '');\n";

/// A folder whose first file is on `main` and whose other files are new.
fn repository(new: &[(&str, &str)]) -> Workspace {
    let workspace = Workspace::new(&[POSTS]);
    git(&workspace, &["init", "--quiet", "--initial-branch", "main"]);
    git(&workspace, &["add", "."]);
    git(&workspace, &["commit", "--quiet", "-m", "first"]);
    new.iter().for_each(|(path, text)| workspace.write(path, text));
    workspace
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

#[test]
fn a_new_migration_becomes_a_sequence_and_later_ones_are_renumbered() {
    let down = "ALTER TABLE posts DROP CONSTRAINT posts_body_check;\n";
    let later = "-- refit: after = [\"V0002\"]\nALTER TABLE posts ADD COLUMN note text;\n";
    let workspace = repository(&[
        ("V0002__check.sql", CHECK),
        ("V0002__check.down.sql", down),
        ("V0003__note.sql", later),
        ("V0003__note.md", "Why.\n"),
    ]);
    let before = contents(&workspace);
    let dry = workspace.run(&["lint-migrations", "--fix", "--dry-run"]).expect(1);
    assert_eq!(contents(&workspace), before);
    insta::with_settings!({ filters => vec![(r"\d+ rules", "[N] rules")] }, {
        insta::assert_snapshot!("fix_dry_run", dry.stdout);
    });
    let ran = workspace.run(&["lint-migrations", "--fix"]).expect(0);
    assert!(!ran.stdout.contains('\u{1b}') && ran.stdout.contains("no findings"), "{}", ran.stdout);
    let after = contents(&workspace);
    let names: Vec<&str> = after.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "V0001__posts.sql",
            "V0002__check.down.sql",
            "V0002__check.sql",
            "V0003__validate_posts_body_check.down.sql",
            "V0003__validate_posts_body_check.sql",
            "V0004__note.md",
            "V0004__note.sql",
        ]
    );
    assert_eq!(after["V0004__note.sql"], later.replace("V0002", "V0003"));
    assert_eq!(after["V0002__check.down.sql"], down);
    // Nothing is left to fix, and the folder is valid.
    let again = workspace.run(&["lint-migrations", "--fix"]).expect(0);
    assert!(again.stdout.contains("nothing to fix"), "{}", again.stdout);
    assert_eq!(contents(&workspace), after);
    refit_model::MigrationSet::from_dir(&workspace.root().join("migrations")).unwrap();
}

#[test]
fn migrations_that_may_have_run_are_not_changed() {
    let workspace = Workspace::new(&[POSTS, ("V0002__check.sql", CHECK)]);
    let unknown = workspace.run(&["lint-migrations", "--fix"]).expect(2);
    assert!(unknown.stderr.contains("--fix-tracked"), "{}", unknown.stderr);
    git(&workspace, &["init", "--quiet", "--initial-branch", "main"]);
    git(&workspace, &["add", "."]);
    git(&workspace, &["commit", "--quiet", "-m", "first"]);
    git(&workspace, &["checkout", "--quiet", "-b", "work"]);
    // Changed and renamed since: it may still have run.
    let migrations = workspace.root().join("migrations");
    std::fs::rename(migrations.join("V0002__check.sql"), migrations.join("V0002__body.sql")).unwrap();
    let before = contents(&workspace);
    let ran = workspace.run(&["lint-migrations", "--fix"]).expect(1);
    assert!(ran.stdout.contains("may have run already"), "{}", ran.stdout);
    assert_eq!(contents(&workspace), before);
    // A new file cannot renumber it.
    workspace.write("V0001__posts.sql", &format!("{}-- changed\n", POSTS.1));
    std::fs::rename(migrations.join("V0002__body.sql"), migrations.join("V0003__body.sql")).unwrap();
    workspace.write("V0003__body.sql", "SELECT 1;\n");
    git(&workspace, &["add", "."]);
    git(&workspace, &["commit", "--quiet", "-m", "second"]);
    git(&workspace, &["branch", "--force", "main"]);
    workspace.write("V0002__check.sql", CHECK);
    let ran = workspace.run(&["lint-migrations", "--fix"]).expect(1);
    assert!(ran.stdout.contains("V0003__body.sql would have to move"), "{}", ran.stdout);
    let ran = workspace.run(&["lint-migrations", "--fix", "--fix-tracked"]).expect(0);
    assert!(ran.stdout.contains("rename to migrations/V0004__body.sql"), "{}", ran.stdout);
    // A repository without a main branch is treated like none.
    git(&workspace, &["branch", "--move", "--force", "main", "trunk"]);
    let lost = workspace.run(&["lint-migrations", "--fix"]).expect(2);
    assert!(lost.stderr.contains("needs a main branch"), "{}", lost.stderr);
}

#[test]
fn all_files_are_written_or_none() {
    let index = "CREATE INDEX ON posts (body);\n";
    let workspace = repository(&[("V0002__check.sql", CHECK), ("V0009__index.sql", index)]);
    // A folder that has the name of one of the files.
    let way = workspace.root().join("migrations/V0003__validate_posts_body_check.sql");
    std::fs::create_dir(&way).unwrap();
    let before = contents(&workspace);
    let ran = workspace.run(&["lint-migrations", "--fix"]).expect(2);
    assert!(ran.stderr.contains("nothing was written"), "{}", ran.stderr);
    assert_eq!(contents(&workspace), before);
    std::fs::remove_dir(&way).unwrap();
    workspace.run(&["lint-migrations", "--fix"]).expect(0);
    assert!(contents(&workspace)["V0009__index.sql"].contains("CONCURRENTLY posts_body_idx"));
}

#[test]
fn the_json_document_lists_the_fixes() {
    let hazards = format!("{CHECK}UPDATE posts SET body = 'x';\nALTER TABLE posts DROP COLUMN body;\n");
    let workspace = repository(&[("V0002__much.sql", &hazards)]);
    let schema = include_str!("../../../../docs/lint-schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    for written in [false, true] {
        let mut arguments = vec!["lint-migrations", "--fix", "--format", "json"];
        arguments.extend((!written).then_some("--dry-run"));
        let ran = workspace.run(&arguments).expect(1);
        let document = json(&ran);
        let problems: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(problems, [""; 0]);
        assert_eq!(document["written"], written);
        assert!(!document["fixes"].as_array().unwrap().is_empty());
        assert_eq!(document["unfixed"][0]["rule"], "drop-column");
    }
}

#[test]
fn usage_errors_are_reported() {
    let workspace = repository(&[]);
    for arguments in [
        &["lint-migrations", "--fix", "-"][..],
        &["lint-migrations", "--dry-run"],
        &["lint-migrations", "--fix-tracked"],
        &["lint-migrations", "--fix", "--baseline", "x.json", "--write-baseline"],
    ] {
        workspace.run(arguments).expect(2);
    }
}

#[test]
fn explicit_files_are_fixed_in_place() {
    let workspace = repository(&[]);
    let root = workspace.root();
    std::fs::create_dir(root.join("sql")).unwrap();
    std::fs::write(root.join("sql/drop.sql"), "\u{feff}DROP INDEX a,\r\n  b;\r\n").unwrap();
    std::fs::write(root.join("sql/check.sql"), CHECK).unwrap();
    let ran = workspace.run(&["lint-migrations", "--fix", "sql"]).expect(1);
    assert!(ran.stdout.contains("no version to continue from"), "{}", ran.stdout);
    assert_eq!(
        std::fs::read_to_string(root.join("sql/drop.sql")).unwrap(),
        "\u{feff}-- refit: transaction = false\r\nDROP INDEX CONCURRENTLY a;\r\nDROP INDEX CONCURRENTLY b;\r\n"
    );
    assert_eq!(std::fs::read_to_string(root.join("sql/check.sql")).unwrap(), CHECK);
}
