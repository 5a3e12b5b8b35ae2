//! `approve`: who accepts which migration, with git and with keys of OpenSSH.

use std::process::Command;

use serde_json::Value;

use crate::support::Workspace;

const SETTINGS: &str = "[environment.production]\napprovals = { error = 2, warn = 1, clean = 0 }\n";

/// V1 is clean; V2 has an error, and V3 one that is suppressed.
const FILES: [(&str, &str); 7] = [
    ("refit.toml", SETTINGS),
    ("V0001__sites.sql", "CREATE TABLE sites (id bigint PRIMARY KEY);\n"),
    ("V0001__sites.down.sql", "DROP TABLE sites;\n"),
    ("V0002__drop.sql", "DROP TABLE sites;\n"),
    ("V0002__drop.down.sql", "CREATE TABLE sites (id bigint PRIMARY KEY);\n"),
    ("V0003__drop.sql", "-- refit: allow(drop-table): nothing reads it\nDROP TABLE IF EXISTS sites;\n"),
    ("V0003__drop.down.sql", "SELECT 1;\n"),
];

fn git(workspace: &Workspace, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(workspace.root())
        .status()
        .unwrap();
    assert!(status.success(), "git {arguments:?}");
}

/// A workspace whose files Ann has committed.
fn committed() -> Workspace {
    let workspace = Workspace::new(&FILES);
    git(&workspace, &["init", "--quiet", "--initial-branch=main"]);
    git(&workspace, &["add", "."]);
    git(&workspace, &["commit", "--quiet", "--message=Begin"]);
    workspace
}

fn json(workspace: &Workspace, arguments: &[&str], status: i32) -> Value {
    let arguments = [arguments, &["--format", "json"]].concat();
    serde_json::from_str(&workspace.run(&arguments).expect(status).stdout).unwrap()
}

/// Of a migration: severity, needed, approved, missing.
fn counts(document: &Value, number: usize) -> (&str, u64, u64, u64) {
    let one = &document["migrations"][number];
    let of = |key: &str| one[key].as_u64().unwrap();
    (one["lint"].as_str().unwrap(), of("needed"), of("approved"), of("missing"))
}

#[test]
fn migrations_need_as_many_as_their_severity_says() {
    let workspace = committed();
    let before = json(&workspace, &["approve", "--check"], 1);
    assert_eq!(counts(&before, 0), ("clean", 0, 0, 0));
    assert_eq!(counts(&before, 1), ("error", 2, 0, 2));
    assert_eq!(counts(&before, 2), ("error", 2, 0, 2), "a suppressed finding counts");
    assert_eq!(before["migrations"][0]["unrecorded"], true, "a run does not know that it is clean");

    let text = workspace
        .run(&["approve", "V0002", "3", "--as", "bob@example.com", "--role", "dba"])
        .expect(0)
        .stdout;
    assert!(text.contains("approved V0002__drop as bob@example.com  lint: error"), "{text}");
    workspace.run(&["approve", "V0002__drop", "V0003", "--as", "carol@example.com"]).expect(0);
    let text = workspace.run(&["approve", "--check"]).expect(1).stdout;
    assert!(text.contains("1 of 3 migrations lacks approvals for production"), "{text}");
    assert!(text.contains("unrecorded  V0001__sites"), "{text}");
    assert!(text.contains("cargo xtask approve --lint V0001"), "{text}");
    workspace.run(&["approve", "--lint"]).expect(0);
    let text = workspace.run(&["approve", "--lint"]).expect(0).stdout;
    assert!(text.contains("is recorded for all migrations"), "{text}");
    workspace.run(&["approve", "--check"]).expect(0);
    let listed = workspace.run(&["approve", "--list"]).expect(0).stdout;
    for line in [
        "needs none  V0001__sites  lint: clean  0 of 0",
        "approved    V0002__drop  lint: error  2 of 2",
        "bob@example.com (dba)",
        "3 migrations approved for production",
    ] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    // Another environment requires nothing.
    workspace.write("V0004__more.sql", "DROP TABLE gone;\n");
    workspace.run(&["approve", "--check"]).expect(1);
    workspace.run(&["approve", "--check", "--environment", "test"]).expect(0);
    workspace.run(&["approve", "--check", "V0001", "V0002"]).expect(0);
}

#[test]
fn an_edit_voids_approvals() {
    let workspace = committed();
    for person in ["bob@example.com", "carol@example.com"] {
        workspace.run(&["approve", "V0002", "--as", person]).expect(0);
    }
    workspace.run(&["approve", "--check", "V0002"]).expect(0);
    workspace.write("V0002__drop.sql", "DROP TABLE sites;\r\n");
    workspace.run(&["approve", "--check", "V0002"]).expect(0);
    for (path, text) in [
        ("V0002__drop.sql", "DROP TABLE sites CASCADE;\n"),
        ("V0002__drop.down.sql", "SELECT 1;\n"),
        ("V0002__drop.check.sql", "SELECT 1 WHERE false;\n"),
    ] {
        let original = FILES.iter().find(|(file, _)| *file == path).map(|(_, text)| *text);
        workspace.write(path, text);
        let listed = json(&workspace, &["approve", "--check", "V0002"], 1);
        let entries = listed["migrations"][0]["approvals"].as_array().unwrap();
        let reasons: Vec<&Value> = entries.iter().map(|entry| &entry["reason"]).collect();
        assert_eq!(reasons, ["the migration was edited since"; 2], "{path}");
        match original {
            Some(text) => workspace.write(path, text),
            None => std::fs::remove_file(workspace.root().join("migrations").join(path)).unwrap(),
        }
        workspace.run(&["approve", "--check", "V0002"]).expect(0);
    }
    // An entry of a migration that is gone stays visible.
    let text = std::fs::read_to_string(workspace.root().join("migrations/approvals.toml")).unwrap();
    workspace.write("approvals.toml", &text.replacen("V0002__drop", "V0009__gone", 1));
    let listed = workspace.run(&["approve", "--list"]).expect(0).stdout;
    assert!(listed.contains("V0009__gone  bob@example.com: the folder has no such migration"), "{listed}");
    workspace.write("approvals.toml", &text);
    // A document is no part of it.
    workspace.write("V0002__drop.md", "# Why\n");
    workspace.run(&["approve", "--check", "V0002"]).expect(0);
    // Who approves again is counted once.
    workspace.write("V0002__drop.sql", "DROP TABLE sites CASCADE;\n");
    workspace.run(&["approve", "V0002", "--as", "bob@example.com"]).expect(0);
    let again = workspace.run(&["approve", "V0002", "--as", "BOB@example.com"]).expect(0);
    assert!(again.stdout.contains("nothing was changed"), "{}", again.stdout);
    workspace.run(&["approve", "V0002", "--as", "bob@example.com", "--role", "dba"]).expect(0);
    assert_eq!(counts(&json(&workspace, &["approve", "--check", "V0002"], 1), 0), ("error", 2, 1, 1));
}

#[test]
fn an_approval_of_ones_own_does_not_count() {
    let workspace = committed();
    let refused = workspace.run(&["approve", "V0002", "--as", "Ann@example.com"]).expect(2).stderr;
    assert!(refused.contains("Ann@example.com wrote V0002, according to git"), "{refused}");
    assert!(!workspace.files().contains(&"approvals.toml".to_owned()), "nothing is written");
    // Bob approves, then changes the down file: he is an author of what Carol approves.
    workspace.run(&["approve", "V0002", "--as", "bob@example.com"]).expect(0);
    git(&workspace, &["add", "."]);
    git(&workspace, &["commit", "--quiet", "--message=Approve"]);
    workspace.write("V0002__drop.down.sql", "SELECT 2;\n");
    git(&workspace, &["commit", "--all", "--quiet", "--message=Fix", "--author=Bob <bob@example.com>"]);
    let refused = workspace.run(&["approve", "V0002", "--as", "bob@example.com"]).expect(2).stderr;
    assert!(refused.contains("bob@example.com wrote V0002"), "{refused}");
    // A co-author, a rename, and what is not committed yet.
    git(&workspace, &["mv", "migrations/V0003__drop.sql", "migrations/V0005__drop.sql"]);
    git(&workspace, &["mv", "migrations/V0003__drop.down.sql", "migrations/V0005__drop.down.sql"]);
    let trailer = "--message=Rename\n\nCo-authored-by: Cy <cy@example.com>";
    git(&workspace, &["commit", "--all", "--quiet", trailer, "--author=Dan <dan@example.com>"]);
    git(&workspace, &["config", "user.email", "eve@example.com"]);
    workspace.write("V0006__new.sql", "DROP TABLE gone;\n");
    let listed = json(&workspace, &["approve", "--list", "V0005", "V0006"], 0);
    let authors = |number: usize| listed["migrations"][number]["authors"].clone();
    assert_eq!(authors(0), serde_json::json!(["ann@example.com", "cy@example.com", "dan@example.com"]));
    assert_eq!(authors(1), serde_json::json!(["eve@example.com"]));
    // An entry that names the authors keeps the rule where git is not known.
    workspace.run(&["approve", "V0006", "--as", "bob@example.com"]).expect(0);
    let text = std::fs::read_to_string(workspace.root().join("migrations/approvals.toml")).unwrap();
    assert!(text.contains("authors = [\"eve@example.com\"]"), "{text}");
    let (before, entry) = text.rsplit_once("[[approval]]").unwrap();
    let own = entry.replace("bob@", "eve@").replace("authors = [\"eve@example.com\"]\n", "");
    workspace.write("approvals.toml", &format!("{before}[[approval]]{entry}\n[[approval]]{own}"));
    std::fs::remove_dir_all(workspace.root().join(".git")).unwrap();
    let listed = json(&workspace, &["approve", "--list", "V0006"], 0);
    let entries = listed["migrations"][0]["approvals"].as_array().unwrap();
    let counting: Vec<_> =
        entries.iter().map(|entry| (entry["by"].as_str(), entry["counts"].as_bool())).collect();
    assert_eq!(
        counting,
        [(Some("bob@example.com"), Some(true)), (Some("eve@example.com"), Some(false))],
        "{listed}"
    );
    let note = workspace.run(&["approve", "--list"]).expect(0).stderr;
    assert!(note.contains("the authors of migrations are unknown"), "{note}");
}

/// A new key in the workspace, by `ssh-keygen`; none if that is not installed.
fn key(workspace: &Workspace, name: &str, kind: &str) -> Option<(String, String)> {
    let path = workspace.root().join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(&path).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: ssh-keygen is not installed");
        return None;
    }
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    Some((path.display().to_string(), public.split(' ').take(2).collect::<Vec<_>>().join(" ")))
}

#[test]
fn signatures_are_made_by_openssh_and_verified() {
    let workspace = committed();
    let Some((alice, public)) = key(&workspace, "alice", "ed25519") else { return };
    let Some((bob, bobs)) = key(&workspace, "bob", "ecdsa") else { return };
    let Some((rsa, rsas)) = key(&workspace, "rsa", "rsa") else { return };
    let approve = |person: &str, key: &str| {
        let person = format!("{person}@example.com");
        workspace.run(&["approve", "V0002", "--as", &person, "--sign", key])
    };
    let refused = approve("alice", &alice).expect(2).stderr;
    let line = format!("alice@example.com namespaces=\"refit-approval\" {public}");
    assert!(refused.contains(&line), "it says what to write: {refused}");
    workspace
        .write("allowed_signers", &format!("{line}\nbob@example.com {bobs}\ncarol@example.com {rsas}\n"));
    let refused = workspace.run(&["approve", "V0002", "--as", "alice@example.com"]).expect(2).stderr;
    assert!(refused.contains("only signed approvals count; give --sign KEY"), "{refused}");
    for (person, key, why) in [
        ("carol", &alice, "its key is that of another person"),
        ("carol", &rsa, "its key is neither Ed25519 nor ECDSA P-256"),
        ("alice", &"nowhere".to_owned(), "there is no such file"),
    ] {
        let refused = approve(person, key).expect(2).stderr;
        assert!(refused.contains(why), "{refused}");
        assert!(!workspace.files().contains(&"approvals.toml".to_owned()), "nothing is written");
    }
    let arguments = ["approve", "V0002", "--as", "alice@example.com", "--sign", alice.as_str()];
    assert_eq!(json(&workspace, &arguments, 0)["approved"][0]["signature_state"], "verified");
    approve("bob", &bob).expect(0);
    workspace.run(&["approve", "--check", "V0002"]).expect(0);
    let listed = workspace.run(&["approve", "--list", "V0002"]).expect(0).stdout;
    assert_eq!(listed.matches("  signed").count(), 2, "{listed}");
    // What is signed cannot be changed, and other commands read the folder as well.
    let path = workspace.root().join("migrations/approvals.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    workspace.write("approvals.toml", &text.replacen("lint = \"error\"", "lint = \"clean\"", 1));
    let listed = json(&workspace, &["approve", "--check", "V0002"], 1);
    let entry = &listed["migrations"][0]["approvals"][0];
    assert_eq!((&entry["signature"], &entry["counts"]), (&"invalid".into(), &false.into()));
    workspace.write("allowed_signers", "alice@example.com ssh-ed25519 AAAA\n");
    let error = workspace.run(&["approve", "--list"]).expect(2).stderr;
    assert!(error.contains("allowed_signers:1:19: the key cannot be read"), "{error}");
}

#[test]
fn what_cannot_be_approved_is_refused() {
    let workspace = committed();
    for (arguments, message) in [
        (&["approve", "V0009", "--as", "bob@example.com"][..], "there is no migration V0009"),
        (&["approve", "R__sites", "--as", "bob@example.com"], "there is no migration R__sites"),
        (&["approve", "V0002", "--as", "bob"], "expected an e-mail address"),
        (&["approve", "V0002", "--as", "bob@example.com", "--role", "a b"], "expected letters, digits"),
        (&["approve", "V0002"], "--as <EMAIL>"),
        (&["approve", "--as", "bob@example.com"], "<VERSION | R__NAME>"),
        (&["approve", "--check", "--list"], "cannot be used with"),
    ] {
        let error = workspace.run(arguments).expect(2).stderr;
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
    workspace.write("approvals.toml", "[[approval]]\nmigration = 1\n");
    let error = workspace.run(&["plan"]).expect(2).stderr;
    assert!(error.contains("approvals.toml:2:13: invalid type: integer `1`"), "{error}");
}
