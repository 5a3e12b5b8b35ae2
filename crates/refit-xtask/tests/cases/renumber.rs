//! `renumber` as a process, in git repositories.

use serde_json::{Value, json};

use crate::support::Workspace;
use crate::support::git::{branches, commit, contents, git};

const POSTS: (&str, &str) = ("V0001__posts.sql", "CREATE TABLE posts (id bigint PRIMARY KEY);\n");
const THEIRS: &[(&str, &str)] =
    &[("V0002__tags.sql", "CREATE TABLE tags ();\n"), ("V0004__marks.sql", "SELECT 1;\n")];
const OURS: &[(&str, &str)] = &[
    ("V0002__notes.sql", "CREATE TABLE notes ();\n"),
    ("V0002__notes.down.sql", "-- Undoes V0002__notes.\nDROP TABLE notes;\n"),
    ("V0002__notes.check.sql", "SELECT 'V0002__notes' WHERE false;\n"),
    (
        "V0003__fill.sql",
        "-- refit: after = [\"V0002\", \"V1__posts\"]\r\n-- After V0002__notes.\r\nSELECT 'V0002__notes';\r\n",
    ),
    (
        "V0003__fill.md",
        "# Fill\n\n`V0002__notes` made it; V0002 alone, V0002__note and xV0002__notes are something else.\n",
    ),
    ("V0009__last.sql", "-- refit: depends = [\"V0003__fill\"]\nSELECT 1;\n"),
];

fn valid(workspace: &Workspace) {
    refit_model::MigrationSet::from_dir(&workspace.root().join("migrations")).unwrap();
}

#[test]
fn migrations_of_the_branch_come_after_those_of_main() {
    let workspace = branches(&[POSTS], THEIRS, OURS);
    let before = contents(&workspace);
    let asked = workspace.run(&["renumber"]).expect(2);
    assert!(asked.stderr.contains("give --yes"), "{}", asked.stderr);
    let dry = workspace.run(&["renumber", "--dry-run"]).expect(1);
    assert_eq!(contents(&workspace), before);
    assert!(dry.stdout.contains("V0002__notes.down.sql  → V0005__notes.down.sql"), "{}", dry.stdout);
    let ran = workspace.run(&["renumber", "--yes", "--format", "json"]).expect(0);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["renamed"].as_array().unwrap().len(), 5);
    assert_eq!(
        document["renamed"][0],
        json!({ "from": "V0002__notes.check.sql", "to": "V0005__notes.check.sql" })
    );
    assert_eq!(
        document["changed"],
        json!(["V0005__notes.down.sql", "V0006__fill.md", "V0006__fill.sql", "V0009__last.sql"])
    );
    assert_eq!((&document["format"], &document["written"]), (&json!(1), &json!(true)));
    let after = contents(&workspace);
    let names: Vec<&str> = after.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "V0001__posts.sql",
            "V0005__notes.check.sql",
            "V0005__notes.down.sql",
            "V0005__notes.sql",
            "V0006__fill.md",
            "V0006__fill.sql",
            "V0009__last.sql",
        ]
    );
    assert_eq!(after["V0005__notes.down.sql"], "-- Undoes V0005__notes.\nDROP TABLE notes;\n");
    assert_eq!(after["V0005__notes.check.sql"], before["V0002__notes.check.sql"]);
    assert_eq!(
        after["V0006__fill.sql"],
        "-- refit: after = [\"V0005\", \"V1__posts\"]\r\n-- After V0005__notes.\r\nSELECT 'V0002__notes';\r\n"
    );
    assert_eq!(
        after["V0006__fill.md"],
        "# Fill\n\n`V0005__notes` made it; V0002 alone, V0002__note and xV0002__notes are something else.\n"
    );
    assert_eq!(after["V0009__last.sql"], "-- refit: depends = [\"V0006__fill\"]\nSELECT 1;\n");
    let again = workspace.run(&["renumber"]).expect(0);
    assert!(again.stdout.contains("nothing to renumber"), "{}", again.stdout);
    commit(&workspace, "ours");
    git(&workspace, &["merge", "--quiet", "main"]);
    valid(&workspace);
}

#[test]
fn a_merged_branch_is_renumbered_as_well() {
    let workspace = branches(&[POSTS], THEIRS, &OURS[..2]);
    // One of ours waits for one of theirs, which is merged, by its stem.
    workspace.write("V0003__later.sql", "-- refit: after = [\"V0002__tags\", \"V2__notes\"]\nSELECT 1;\n");
    commit(&workspace, "ours");
    git(&workspace, &["merge", "--quiet", "main"]);
    workspace.run(&["renumber", "--yes"]).expect(0);
    let after = contents(&workspace);
    assert_eq!(
        after["V0006__later.sql"],
        "-- refit: after = [\"V0002__tags\", \"V0005__notes\"]\nSELECT 1;\n"
    );
    assert!(after.contains_key("V0002__tags.sql") && !after.contains_key("V0002__notes.sql"));
    valid(&workspace);
}

#[test]
fn a_package_keeps_its_range() {
    let ranges = "[package.base]\nfrom = 1\nto = 3\n[package.cms]\nfrom = 10\nto = 19\n";
    let base = [("refit.toml", ranges), POSTS, ("V0012__menus.sql", "SELECT 1;\n")];
    let workspace =
        branches(&base, &[("V0002__tags.sql", "SELECT 1;\n")], &[("V0002__notes.sql", "SELECT 1;\n")]);
    workspace.run(&["renumber", "--yes"]).expect(0);
    assert!(workspace.files().contains(&"V0003__notes.sql".to_owned()));
    workspace.write("V0002__more.sql", "SELECT 1;\n");
    let full = workspace.run(&["renumber", "--yes"]).expect(2);
    assert!(full.stderr.contains("no version left in package base (1 to 3)"), "{}", full.stderr);
}

#[test]
fn what_may_have_run_and_half_done_states_are_refused() {
    let refused = |change: &dyn Fn(&Workspace), says: &str| {
        let workspace = branches(&[POSTS], THEIRS, &OURS[..1]);
        change(&workspace);
        let before = contents(&workspace);
        let ran = workspace.run(&["renumber", "--yes"]).expect(2);
        assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
        assert_eq!(contents(&workspace), before);
    };
    let renamed = |workspace: &Workspace| {
        let folder = workspace.root().join("migrations");
        std::fs::rename(folder.join("V0001__posts.sql"), folder.join("V0003__entries.sql")).unwrap();
    };
    refused(
        &renamed,
        "V0001__posts.sql is on main and may have run somewhere, but here it is V0003__entries.sql",
    );
    let twice = |workspace: &Workspace| workspace.write("V0005__notes.sql", "CREATE TABLE notes ();\n");
    refused(&twice, "V0002__notes.sql and V0005__notes.sql have the same name");
    let same = |workspace: &Workspace| workspace.write("V2__more.sql", "SELECT 1;\n");
    refused(&same, "V0002__notes.sql and V2__more.sql have the same version");
    let orphan = |workspace: &Workspace| workspace.write("V0003__gone.down.sql", "SELECT 1;\n");
    refused(&orphan, "V0003__gone.down.sql has no migration V0003__gone.sql");
    let misnamed = |workspace: &Workspace| workspace.write("V0003_gone.sql", "SELECT 1;\n");
    refused(&misnamed, "the name has no `__`");
    let promoted = |workspace: &Workspace| {
        let text = "[staging]\n\"V0002__notes\" = { digest = \"a\", at = \"2026-11-29T00:00:00Z\" }\n";
        workspace.write("promotions.toml", text);
    };
    refused(&promoted, "V0002__notes.sql was applied in staging");
    let taken = |workspace: &Workspace| {
        std::fs::create_dir(workspace.root().join("migrations/V0005__notes.sql")).unwrap();
    };
    refused(&taken, "already exists; nothing was written");
    let unresolved = |workspace: &Workspace| {
        workspace.write("V0001__posts.sql", "SELECT 1;\n");
        commit(workspace, "ours");
        git(workspace, &["checkout", "--quiet", "main"]);
        workspace.write("V0001__posts.sql", "SELECT 2;\n");
        commit(workspace, "theirs");
        git(workspace, &["checkout", "--quiet", "work"]);
        // The merge stops at the conflict.
        std::process::Command::new("git")
            .args(["merge", "main"])
            .current_dir(workspace.root())
            .output()
            .unwrap();
    };
    refused(&unresolved, "V0001__posts.sql has an unresolved conflict");
    let trunk = |workspace: &Workspace| git(workspace, &["branch", "--move", "main", "trunk"]);
    refused(&trunk, "renumber needs a main branch");
}

#[test]
fn git_and_the_other_branch_are_needed() {
    let workspace = Workspace::new(OURS);
    let none = workspace.run(&["renumber"]).expect(2);
    assert!(none.stderr.contains("renumber needs a git repository"), "{}", none.stderr);
    git(&workspace, &["init", "--quiet", "--initial-branch", "main"]);
    let empty = workspace.run(&["renumber"]).expect(2);
    assert!(empty.stderr.contains("has none yet"), "{}", empty.stderr);
    commit(&workspace, "all");
    let unknown = workspace.run(&["renumber", "--since", "nowhere"]).expect(2);
    assert!(unknown.stderr.contains("--since nowhere: no such commit"), "{}", unknown.stderr);
    workspace.run(&["renumber"]).expect(0);
}
