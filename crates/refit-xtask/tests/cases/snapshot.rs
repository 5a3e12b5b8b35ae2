//! `snapshot` as a process: files, check, review, comparison.

use std::process::Command;

use refit_devdb::TestDb;
use serde_json::Value;

use crate::support::{Ran, Workspace, execute};

const TABLE: (&str, &str) =
    ("V0001__t.sql", "CREATE TABLE t (id bigint PRIMARY KEY, a text NOT NULL, CHECK (a <> ''));\n");
const COLUMN: (&str, &str) = ("V0002__b.sql", "ALTER TABLE t ADD b integer;\n");
const FILL: (&str, &str) = (
    "V0003__fill.sql",
    "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET b = 1 WHERE id > $1 AND id <= $2 AND b IS NULL;\n",
);
const LATER: (&str, &str) =
    ("V0004__c.sql", "-- refit: after = [\"V0003\"]\nALTER TABLE t ALTER b SET NOT NULL;\n");
const VIEW: (&str, &str) = ("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT id FROM t;\n");

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

fn kept(workspace: &Workspace, name: &str) -> String {
    std::fs::read_to_string(workspace.root().join("migrations/snapshots").join(name)).unwrap()
}

fn names(workspace: &Workspace) -> Vec<String> {
    let entries = std::fs::read_dir(workspace.root().join("migrations/snapshots")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn git(workspace: &Workspace, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
    let mut command = Command::new("git");
    command.current_dir(workspace.root()).args(identity).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn written_files_pass_the_check_and_insta_reads_them() {
    let workspace = Workspace::new(&[TABLE, COLUMN, FILL, LATER, VIEW]);
    let missing = workspace.run(&["snapshot", "--check"]).expect(1).stdout;
    assert!(
        missing.contains("missing  schema.snap") && missing.contains("missing  V0001.delta.snap"),
        "{missing}"
    );
    assert_eq!(workspace.files().len(), 5, "a check writes nothing");
    let first = workspace.run(&["snapshot"]).expect(0).stdout;
    assert!(first.contains("new      V0004.delta.snap"), "{first}");
    let expected = [
        "R__v.delta.snap",
        "V0001.delta.snap",
        "V0002.delta.snap",
        "V0003.delta.snap",
        "V0004.delta.snap",
        "schema.json",
        "schema.snap",
    ];
    assert_eq!(names(&workspace), expected);
    workspace.run(&["snapshot", "--check"]).expect(0);
    assert!(workspace.run(&["snapshot"]).expect(0).stdout.contains("unchanged"));
    let expected = "---\nsource: migrations/V0002__b.sql\nexpression: what V0002__b changes\n---\n\
                    + column public.t.b: integer\n";
    assert_eq!(kept(&workspace, "V0002.delta.snap"), expected);
    assert!(kept(&workspace, "V0003.delta.snap").ends_with("---\nthe schema is as before\n"));
    assert!(kept(&workspace, "V0004.delta.snap").ends_with("~ column public.t.b: not null no → yes\n"));
    let schema = workspace.root().join("migrations/snapshots/schema.snap");
    let read = insta::Snapshot::from_file(&schema).unwrap();
    assert_eq!(read.metadata().source(), Some("migrations"));
    assert!(read.as_text().unwrap().to_string().contains("table public.t\n"));
    // In insta's format.
    let text = workspace.run(&["snapshot", "--format", "text"]).expect(0).stdout;
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(schema.parent().unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!("schema", text));
    // Line endings and headers are not compared.
    std::fs::write(&schema, kept(&workspace, "schema.snap").replace('\n', "\r\n")).unwrap();
    workspace.run(&["snapshot", "--check"]).expect(0);
}

#[test]
fn a_changed_and_a_deleted_migration_are_reported_and_fixed() {
    let workspace = Workspace::new(&[TABLE, COLUMN]);
    workspace.run(&["snapshot"]).expect(0);
    workspace.write("V0002__b.sql", "ALTER TABLE t ADD b bigint;\n");
    let ran = workspace.run(&["snapshot", "--check"]).expect(1);
    let text = ran.stdout;
    assert!(text.contains("-+ column public.t.b: integer\n++ column public.t.b: bigint\n"), "{text}");
    assert!(text.contains("differs  schema.json") && text.contains("`cargo xtask snapshot`"), "{text}");
    let document = json(&workspace.run(&["snapshot", "--check", "--format", "json"]).expect(1));
    let files: Vec<&str> =
        document["differences"].as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["V0002.delta.snap", "schema.snap", "schema.json"]);
    assert_eq!(document["differences"][0]["verdict"], "changed");
    // A change of text without an effect on the schema is still another set, for `verify`.
    workspace.write("V0002__b.sql", "ALTER TABLE t ADD b integer; -- why\n");
    let text = workspace.run(&["snapshot", "--check"]).expect(1).stdout;
    assert!(text.contains("from other migration texts") && !text.contains("schema.snap"), "{text}");
    std::fs::remove_file(workspace.root().join("migrations/V0002__b.sql")).unwrap();
    std::fs::write(workspace.root().join("migrations/snapshots/notes.txt"), "mine").unwrap();
    let text = workspace.run(&["snapshot", "--check"]).expect(1).stdout;
    assert!(text.contains("stale    V0002.delta.snap"), "{text}");
    let text = workspace.run(&["snapshot"]).expect(0).stdout;
    assert!(text.contains("removed  V0002.delta.snap"), "{text}");
    assert_eq!(names(&workspace), ["V0001.delta.snap", "notes.txt", "schema.json", "schema.snap"]);
    workspace.run(&["snapshot", "--check"]).expect(0);
}

#[test]
fn differences_are_written_for_review() {
    let workspace = Workspace::new(&[TABLE]);
    workspace.run(&["snapshot"]).expect(0);
    let text = workspace.run(&["snapshot", "--check"]).expect(0).stdout;
    assert_eq!(text, "the schema and 1 delta match the migrations\n");
    let before = kept(&workspace, "schema.snap");
    workspace.write(COLUMN.0, COLUMN.1);
    let text = workspace.run(&["snapshot", "--check", "--pending"]).expect(1).stdout;
    assert!(text.contains("review 2 files with `cargo insta review`"), "{text}");
    let folder = workspace.root().join("migrations/snapshots");
    assert_eq!(kept(&workspace, "schema.snap"), before);
    for pending in ["schema.snap.new", "V0002.delta.snap.new"] {
        let read = insta::Snapshot::from_file(&folder.join(pending)).unwrap();
        assert!(read.as_text().unwrap().to_string().contains('b'), "{pending}");
        // As `cargo insta accept` does.
        std::fs::rename(folder.join(pending), folder.join(pending.trim_end_matches(".new"))).unwrap();
    }
    workspace.run(&["snapshot", "--check"]).expect(0);
    // .new files are removed when the snapshots are written or match.
    std::fs::write(folder.join("schema.snap.new"), "old").unwrap();
    workspace.run(&["snapshot"]).expect(0);
    assert!(!folder.join("schema.snap.new").exists());
    assert!(workspace.run(&["snapshot", "--pending"]).expect(2).stderr.contains("--check"));
}

#[tokio::test]
async fn a_database_is_printed_when_the_command_line_names_it() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, "CREATE TABLE elsewhere (id int)").await;
    let workspace = Workspace::new(&[TABLE]).on(&db);
    // DATABASE_URL is often set in the environment; the folder is still used.
    let text = workspace.run(&["snapshot", "--format", "text"]).expect(0).stdout;
    assert!(text.contains("public.t") && !text.contains("elsewhere"), "{text}");
    for arguments in [["snapshot", "--database-url", db.url()], ["--database-url", db.url(), "snapshot"]] {
        let text = workspace.run(&arguments).expect(0).stdout;
        assert!(text.contains("table public.elsewhere"), "{text}");
    }
    let document =
        json(&workspace.run(&["snapshot", "--database-url", db.url(), "--format", "json"]).expect(0));
    assert!(document["catalog"]["tables"]["public.elsewhere"].is_object());
    assert!(!workspace.root().join("migrations/snapshots").exists());
}

#[tokio::test]
async fn any_two_schemas_are_compared() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, TABLE.1).await;
    let workspace = Workspace::new(&[TABLE]);
    git(&workspace, &["init", "-q", "-b", "main"]);
    git(&workspace, &["add", "."]);
    git(&workspace, &["commit", "-q", "-m", "one"]);
    workspace.run(&["snapshot"]).expect(0);
    git(&workspace, &["add", "."]);
    git(&workspace, &["commit", "-q", "-m", "kept"]);
    workspace.write(COLUMN.0, COLUMN.1);
    let file = "migrations/snapshots/schema.json";
    let printed = workspace.run(&["snapshot", "--database-url", db.url(), "--format", "json"]).expect(0);
    std::fs::write(workspace.root().join("live.json"), printed.stdout).unwrap();
    for [a, b] in [["main", db.url()], ["HEAD~1", "git:main"], [file, db.url()], ["live.json", "HEAD"]] {
        let text = workspace.run(&["snapshot", "--diff", a, b]).expect(0).stdout;
        assert!(text.contains("have the same schema") && !text.contains("password"), "{text}");
    }
    // A revision with a matching snapshot needs no server.
    let mut command = workspace.command();
    command.env("REFIT_PG_BIN", "/nonexistent").args(["snapshot", "--diff", file, "main"]);
    assert!(command.output().unwrap().status.success());
    for [a, b] in [["main", "migrations"], [db.url(), "migrations"]] {
        let text = workspace.run(&["snapshot", "--diff", a, b]).expect(1).stdout;
        assert_eq!(text, "+ column public.t.b: integer\n");
    }
    let document =
        json(&workspace.run(&["snapshot", "--diff", "migrations", "main", "--format", "json"]).expect(1));
    assert_eq!(document["changes"][0]["verb"], "removed");
    // A .snap file is compared as text.
    let text =
        workspace.run(&["snapshot", "--diff", "migrations/snapshots/schema.snap", "migrations"]).expect(1);
    assert!(text.stdout.contains("+    b   integer"), "{}", text.stdout);
    workspace.run(&["snapshot", "--diff", "migrations/snapshots/schema.snap", "main"]).expect(0);
}

#[test]
fn errors_are_reported() {
    let workspace = Workspace::new(&[TABLE]);
    workspace.run(&["snapshot"]).expect(0);
    let folder = workspace.root().join("migrations/snapshots");
    let prints = |arguments: &[&str], status: i32, words: &str| {
        let ran = workspace.run(arguments).expect(status);
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).contains(words),
            "{words}: {}{}",
            ran.stdout,
            ran.stderr
        );
    };
    prints(&["snapshot", "--diff", "nowhere", "migrations"], 2, "`nowhere` is not a database URL");
    prints(&["snapshot", "--diff", "git:main", "migrations"], 2, "needs a git repository");
    prints(
        &["snapshot", "--diff", "postgres://u:secret@127.0.0.1:1/x", "migrations"],
        2,
        "cannot connect to u@127.0.0.1:1/x",
    );
    prints(&["snapshot", "--diff", "migrations"], 2, "2 values");
    prints(&["snapshot", "--diff", "Cargo.toml", "migrations"], 2, "neither schema.json nor a .snap file");
    prints(&["snapshot", "--format", "sarif"], 2, "invalid value 'sarif'");
    prints(&["snapshot", "--check", "--format", "html"], 2, "give --format human or json");
    // Damaged files differ; writing fixes them.
    std::fs::write(folder.join("schema.json"), "{\"format\": 1, \"set\": 5").unwrap();
    std::fs::write(folder.join("schema.snap"), [0xff, 0xfe, b'\n']).unwrap();
    std::fs::write(folder.join("V0001.delta.snap"), "---\nsource: never closed\n").unwrap();
    prints(&["snapshot", "--check"], 1, "not a catalog");
    prints(&["snapshot", "--diff", "migrations/snapshots/schema.json", "migrations"], 2, "is not a schema");
    prints(&["snapshot", "--diff", "migrations/snapshots/schema.snap", "migrations"], 2, "is not UTF-8");
    prints(&["snapshot"], 0, "changed  V0001.delta.snap");
    prints(&["snapshot", "--check"], 0, "match the migrations");
    // Nothing is written when a migration fails.
    let before = kept(&workspace, "schema.json");
    workspace.write("V0002__bad.sql", "SELECT 1;\nALTER TABLE nowhere ADD x int;\n");
    prints(&["snapshot"], 2, "V0002__bad.sql:2:1: relation \"nowhere\" does not exist (SQLSTATE 42P01)");
    assert_eq!(kept(&workspace, "schema.json"), before);
    let output = workspace.command().env("REFIT_PG_BIN", "/nonexistent").arg("snapshot").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent"));
}

#[test]
fn the_wording_of_another_server_version_is_kept() {
    let workspace = Workspace::new(&[TABLE, VIEW]);
    workspace.run(&["snapshot"]).expect(0);
    let folder = workspace.root().join("migrations/snapshots");
    let edit = |name: &str, from: &str, to: &str| {
        let text = kept(&workspace, name);
        assert!(text.contains(from), "{name}: {text}");
        std::fs::write(folder.join(name), text.replacen(from, to, 1)).unwrap();
    };
    edit("schema.snap", "SELECT", "select");
    workspace.run(&["snapshot", "--check"]).expect(1);
    // Written on another version, with its wording.
    let document = json(&workspace.run(&["snapshot", "--format", "json"]).expect(0));
    let major = document["set"]["postgres"].as_u64().unwrap();
    edit("schema.json", &format!("\"postgres\": {major}"), "\"postgres\": 99");
    workspace.run(&["snapshot", "--check"]).expect(0);
    assert!(workspace.run(&["snapshot"]).expect(0).stdout.contains("unchanged"));
    // A real difference is reported, and then all files get this server's wording.
    workspace.write(COLUMN.0, COLUMN.1);
    let text = workspace.run(&["snapshot", "--check"]).expect(1).stdout;
    assert!(text.contains("+    b   integer"), "{text}");
    workspace.run(&["snapshot"]).expect(0);
    assert!(kept(&workspace, "schema.json").contains(&format!("\"postgres\": {major}")));
}

#[test]
fn diagrams_are_printed() {
    let workspace =
        Workspace::new(&[TABLE, ("V0002__u.sql", "CREATE TABLE u (t_id bigint REFERENCES t);\n")]);
    let chart = workspace.run(&["snapshot", "--format", "mermaid"]).expect(0).stdout;
    assert!(chart.contains("erDiagram") && !chart.contains("```"), "{chart}");
    let page = workspace.run(&["snapshot", "--format", "html"]).expect(0).stdout;
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("V0002__u"), "{page}");
    workspace.write("V0003__s.sql", "CREATE SCHEMA s; CREATE TABLE s.x (id int);\n");
    let charts = workspace.run(&["snapshot", "--format", "mermaid"]).expect(0).stdout;
    assert_eq!(charts.matches("```mermaid\n").count(), 2, "{charts}");
    assert!(!workspace.root().join("migrations/snapshots").exists());
    workspace.run(&["snapshot"]).expect(0);
    workspace.write("V0004__y.sql", "CREATE TABLE y (id int);\n");
    let kept = "migrations/snapshots/schema.json";
    let around =
        workspace.run(&["snapshot", "--diff", kept, "migrations", "--format", "mermaid"]).expect(1).stdout;
    assert!(around.contains('y') && !around.contains("t_id"), "{around}");
    workspace.run(&["snapshot", "--diff", kept, "migrations", "--format", "html"]).expect(1);
    let text = "migrations/snapshots/schema.snap";
    let ran = workspace.run(&["snapshot", "--diff", text, kept, "--format", "html"]).expect(2);
    assert!(ran.stderr.contains("give the schema.json in the same folder"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_database_and_a_difference_are_printed_as_diagrams() {
    let (old, new) = (TestDb::empty().await.unwrap(), TestDb::empty().await.unwrap());
    let hostile = "CREATE TABLE \"<script>alert(1)</script>\" (\"a\"\"b\" int PRIMARY KEY, \"`x`\" text);";
    execute(&old, hostile).await;
    execute(&new, &format!("{hostile} CREATE TABLE u (id int);")).await;
    let workspace = Workspace::new(&[TABLE]);
    let print = |arguments: &[&str], status: i32| {
        workspace.run(&[&["snapshot"], arguments].concat()).expect(status).stdout
    };
    let page = print(&["--database-url", old.url(), "--format", "html"], 0);
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");
    let chart = print(&["--database-url", old.url(), "--format", "mermaid"], 0);
    assert!(chart.starts_with("erDiagram") || chart.contains("\nerDiagram"), "{chart}");
    let page = print(&["--diff", old.url(), new.url(), "--format", "html"], 1);
    assert!(page.contains("public.u") && !page.contains("<script>alert"), "{page}");
    assert!(print(&["--diff", old.url(), new.url(), "--format", "mermaid"], 1).contains("u"));
    // An empty difference is a valid chart and page.
    for format in ["mermaid", "html"] {
        assert!(!print(&["--diff", old.url(), old.url(), "--format", format], 0).trim().is_empty());
    }
    let empty = TestDb::empty().await.unwrap();
    let chart = print(&["--database-url", empty.url(), "--format", "mermaid"], 0);
    assert!(chart.contains("there are no tables") && chart.contains("erDiagram"), "{chart}");
    assert!(print(&["--database-url", empty.url(), "--format", "html"], 0).contains("</html>"));
}

/// A catalog table that does not exist in any release.
const NOVELTY: &str = "SET allow_system_table_mods = on; CREATE TABLE pg_catalog.pg_novelty (id int);
                       RESET allow_system_table_mods;";

#[tokio::test]
async fn unsupported_objects_are_listed_and_fail_with_strict() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, NOVELTY).await;
    let workspace = Workspace::new(&[TABLE, ("V0002__novelty.sql", NOVELTY)]);
    let words = "objects in pg_novelty";
    for arguments in [&["--format", "text"][..], &["--database-url", db.url()]] {
        let ran = workspace.run(&[&["snapshot"], arguments].concat()).expect(0);
        assert!(ran.stdout.contains("unknown to the model") && ran.stdout.contains(words), "{}", ran.stdout);
        let strict = workspace.run(&[&["snapshot", "--strict"], arguments].concat()).expect(2);
        assert_eq!(strict.stderr.matches("the model does not support").count(), 1, "{}", strict.stderr);
        assert!(strict.stderr.contains(words) && strict.stdout.is_empty(), "{}", strict.stdout);
    }
    let note = workspace.run(&["snapshot"]).expect(0).stderr;
    assert!(note.contains("listed by name only") && note.contains(words), "{note}");
    assert!(kept(&workspace, "V0002.delta.snap").contains(words));
    let diff = ["snapshot", "--strict", "--diff", "migrations/snapshots/schema.json", db.url()];
    assert!(workspace.run(&diff).expect(2).stderr.contains(words));
    for flags in [&["snapshot", "--strict"][..], &["snapshot", "--check", "--strict"]] {
        assert!(workspace.run(flags).expect(2).stderr.contains(words));
    }
    workspace.run(&["snapshot", "--check"]).expect(0);
}
