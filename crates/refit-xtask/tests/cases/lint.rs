//! `lint-migrations` and `explain` as processes.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Ran, Workspace};

const TABLE: (&str, &str) =
    ("V0001__posts.sql", "CREATE TABLE posts (id bigint PRIMARY KEY, body text, état text);\n");
const UPDATE: (&str, &str) =
    ("V0002__fill.sql", "-- Fills the new column.\nUPDATE posts\nSET    body = 'ö'\nWHERE  état IS NULL;\n");

fn hazards() -> Workspace {
    let long = "SELECT 1; UPDATE posts SET état = 'a, b: 100%';\n\
                UPDATE posts SET\n  a = 1,\n  b = 2,\n  c = 3,\n  d = 4,\n  e = 5,\n  f = 6;\n\
                -- refit: allow(unbatched-update): three rows\nUPDATE posts SET body = '';\nSELEC 1;\n";
    let drop = ("V0004__drop.sql", "ALTER TABLE posts DROP COLUMN body;\n");
    Workspace::new(&[TABLE, UPDATE, ("V0003__more.sql", long), drop])
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

/// Rules and positions of a JSON report.
fn found(ran: &Ran) -> Vec<String> {
    let json = json(ran);
    let findings = json["findings"].as_array().unwrap();
    let text = |finding: &Value| {
        format!(
            "{} {}:{}",
            finding["rule"].as_str().unwrap(),
            finding["path"].as_str().unwrap(),
            finding["line"]
        )
    };
    findings.iter().map(text).collect()
}

#[test]
fn all_formats_report_the_same_findings() {
    let workspace = hazards();
    let printed = |format: &str| workspace.run(&["lint-migrations", "--format", format]).expect(1).stdout;
    insta::with_settings!({ filters => vec![(r"\d+ rules", "[N] rules")] }, {
        insta::assert_snapshot!("lint_human", printed("human"));
        insta::assert_snapshot!("lint_github", printed("github"));
    });
    insta::assert_snapshot!("lint_json", printed("json"));
    insta::assert_snapshot!("lint_gitlab", printed("gitlab"));
    for format in ["human", "json", "sarif", "github", "gitlab"] {
        assert_eq!(printed(format), printed(format), "{format}");
        assert!(!printed(format).contains('\u{1b}'), "{format}");
    }
    // The global option may also precede the command.
    assert_eq!(workspace.run(&["--format", "json", "lint-migrations"]).expect(1).stdout, printed("json"));
    assert!(workspace.run(&["plan", "--format", "sarif"]).expect(2).stderr.contains("human, json"));
}

#[test]
fn json_matches_its_schema() {
    let schema = include_str!("../../../../docs/lint-schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let empty = Workspace::new(&[TABLE]);
    for (ran, whole) in [
        (hazards().run(&["lint-migrations", "--format", "json"]).expect(1), true),
        (empty.run(&["lint-migrations", "--format", "json"]).expect(0), false),
    ] {
        let document = json(&ran);
        let problems: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(problems, [""; 0]);
        assert_eq!(!document["findings"].as_array().unwrap().is_empty(), whole);
    }
}

#[test]
fn sarif_is_valid() {
    // The schema's pattern for language tags is not a valid regular expression (an extra bracket); the rest is used as is.
    let schema = include_str!("../data/sarif-schema-2.1.0.json");
    let schema = schema.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&serde_json::from_str(&schema).unwrap())
        .unwrap();
    let workspace = hazards();
    let document = json(&workspace.run(&["lint-migrations", "--format", "sarif"]).expect(1));
    let problems: Vec<String> =
        validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(problems, [""; 0]);
    let run = &document["runs"][0];
    let (rules, results) = (&run["tool"]["driver"]["rules"], run["results"].as_array().unwrap());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    insta::assert_snapshot!("lint_sarif_result", serde_json::to_string_pretty(&results[0]).unwrap());
    let fingerprints: std::collections::HashSet<_> = results
        .iter()
        .map(|result| result["partialFingerprints"]["refitLint/v1"].as_str().unwrap())
        .collect();
    assert_eq!(fingerprints.len(), results.len());
}

#[test]
fn notes_alone_do_not_fail_and_levels_decide() {
    let workspace = Workspace::new(&[TABLE, UPDATE]);
    workspace.run(&["lint-migrations"]).expect(1);
    workspace.run(&["lint-migrations", "--allow", "unbatched-update"]).expect(0);
    let warned =
        workspace.run(&["lint-migrations", "--warn", "unbatched-update", "--format", "json"]).expect(1);
    assert_eq!(json(&warned)["summary"]["warnings"], 1);
    let denied = workspace.run(&["lint-migrations", "--deny", "missing-down", "--format", "json"]).expect(1);
    assert!(found(&denied).iter().any(|line| line.starts_with("missing-down")), "{}", denied.stdout);
    let unknown = workspace.run(&["lint-migrations", "--deny", "unbatchd-update"]).expect(2);
    assert!(unknown.stderr.contains("did you mean `unbatched-update`?"), "{}", unknown.stderr);
    let both = ["lint-migrations", "--deny", "lock-table", "--allow", "lock-table"];
    assert!(workspace.run(&both).expect(2).stderr.contains("choose one"));
}

#[test]
fn refit_toml_has_levels_for_all_and_for_some() {
    let workspace = Workspace::new(&[TABLE, UPDATE, ("V0003__again.sql", "UPDATE posts SET body = '';\n")]);
    let settings = |text: &str| workspace.write("refit.toml", text);
    settings("[lint.rules]\nunbatched-update = \"warn\"\n");
    let ran = workspace.run(&["lint-migrations", "--format", "json"]).expect(1);
    assert_eq!(
        (&json(&ran)["summary"]["errors"], &json(&ran)["summary"]["warnings"]),
        (&0.into(), &2.into())
    );
    settings("[[lint.path]]\npath = \"V0002__fill.sql\"\nrules = { unbatched-update = \"allow\" }\n");
    let ran = workspace.run(&["lint-migrations", "--format", "json"]).expect(1);
    assert_eq!(found(&ran), ["unbatched-update migrations/V0003__again.sql:1"]);
    // The command line overrides refit.toml.
    let ran = workspace.run(&["lint-migrations", "--warn", "unbatched-update", "--format", "json"]).expect(1);
    assert_eq!(json(&ran)["summary"]["warnings"], 2);
    settings("postgres = 15\n[lint.rules]\nunbatchd-update = \"allow\"\n");
    let ran = workspace.run(&["lint-migrations", "--format", "json"]).expect(1);
    assert!(found(&ran).contains(&"unknown-rule migrations/refit.toml:3".to_owned()), "{}", ran.stdout);
    settings("[lint]\nrulez = {}\n");
    let ran = workspace.run(&["lint-migrations"]).expect(2);
    assert!(ran.stderr.contains("refit.toml:2:1") && ran.stderr.contains("`rules`"), "{}", ran.stderr);
}

#[test]
fn suppressions_need_a_reason_and_a_finding() {
    let text = "-- refit: allow(unbatched-update)\nUPDATE posts SET body = '';\n\
                -- refit: allow(drop-table): old\nSELECT 1;\n-- refit: allow(nothing): x\nSELECT 2;\n";
    let workspace = Workspace::new(&[TABLE, ("V0002__x.sql", text)]);
    let ran = workspace.run(&["lint-migrations", "--format", "json"]).expect(1);
    let places = ["suppression-without-reason", "unused-suppression", "unknown-rule"];
    let expected: Vec<String> = (0..3)
        .map(|index| format!("{} migrations/V0002__x.sql:{}", places[index], [1, 3, 5][index]))
        .collect();
    assert_eq!(found(&ran), expected);
    assert_eq!(json(&ran)["summary"]["suppressed"], 1);
}

#[test]
fn a_baseline_accepts_only_existing_findings() {
    let workspace = hazards();
    let at = |name: &str| workspace.root().join(name).display().to_string();
    let file = at("lint.json");
    workspace.run(&["lint-migrations", "--write-baseline"]).expect(2);
    assert!(
        workspace
            .run(&["lint-migrations", "--baseline", &file])
            .expect(2)
            .stderr
            .contains("--write-baseline")
    );
    workspace.run(&["lint-migrations", "--baseline", &file, "--write-baseline"]).expect(0);
    let written = std::fs::read_to_string(&file).unwrap();
    let ran = workspace.run(&["lint-migrations", "--baseline", &file, "--format", "json"]).expect(0);
    assert!(json(&ran)["summary"]["suppressed"].as_u64().unwrap() > 3, "{}", ran.stdout);
    workspace.run(&["lint-migrations", "--baseline", &file, "--write-baseline"]).expect(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written, "writing it again changes nothing");
    // A finding is accepted only once, and moving it down does not matter.
    workspace.write(UPDATE.0, &format!("SELECT 1;\n{}", UPDATE.1));
    workspace.run(&["lint-migrations", "--baseline", &file]).expect(0);
    workspace.write(UPDATE.0, &UPDATE.1.repeat(2));
    let ran = workspace.run(&["lint-migrations", "--baseline", &file, "--format", "json"]).expect(1);
    assert_eq!(found(&ran).len(), 1, "{}", ran.stdout);
    std::fs::write(&file, "{}").unwrap();
    assert!(
        workspace
            .run(&["lint-migrations", "--baseline", &file])
            .expect(2)
            .stderr
            .contains("is not a baseline")
    );
    let nowhere = at("nowhere/lint.json");
    workspace.run(&["lint-migrations", "--baseline", &nowhere, "--write-baseline"]).expect(2);
}

#[test]
fn since_reports_only_changed_files_and_replays_all() {
    let workspace = Workspace::new(&[TABLE, UPDATE]);
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        let output = Command::new("git")
            .args(identity)
            .args(arguments)
            .current_dir(workspace.root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let ran = workspace.run(&["lint-migrations", "--since", "main"]).expect(2);
    assert!(ran.stderr.contains("needs a git repository"), "{}", ran.stderr);
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
    for reference in ["nowhere", "-x", ""] {
        let ran = workspace.run(&["lint-migrations", &format!("--since={reference}")]).expect(2);
        assert!(ran.stderr.contains("no such commit"), "{}", ran.stderr);
    }
    let changed = || found(&workspace.run(&["lint-migrations", "--since", "main", "--format", "json"]));
    assert_eq!(changed(), [""; 0]);
    git(&["checkout", "--quiet", "-b", "work"]);
    // Untracked, then committed; the key of posts is known from a file that is not reported.
    workspace
        .write("V0003__a.sql", "UPDATE posts SET body = '' WHERE id = 1;\nUPDATE posts SET body = '';\n");
    let third = "unbatched-update migrations/V0003__a.sql:2";
    assert_eq!(changed(), [third]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "second"]);
    assert_eq!(changed(), [third]);
    // Later commits on main are not part of this branch.
    git(&["checkout", "--quiet", "main"]);
    workspace.write(UPDATE.0, &format!("SELECT 1;\n{}", UPDATE.1));
    git(&["commit", "--quiet", "-am", "meanwhile"]);
    git(&["checkout", "--quiet", "work"]);
    assert_eq!(changed(), [third]);
    // Edited and not committed; a companion file counts as its migration.
    workspace.write(UPDATE.0, &format!("SELECT 2;\n{}", UPDATE.1));
    assert_eq!(changed().len(), 2);
    git(&["checkout", "--quiet", "."]);
    workspace.write("V0002__fill.md", "Why.\n");
    assert_eq!(changed().len(), 2);
    let ran = workspace.run(&["lint-migrations", "--since", "main"]).expect(1);
    assert!(ran.stdout.contains("\n2 files, "), "{}", ran.stdout);
}

#[test]
fn explicit_paths_are_one_set_in_name_order_with_any_names() {
    let workspace = Workspace::new(&[]);
    let write = |path: &str, text: &[u8]| {
        let path = workspace.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("sql/2.sql", b"UPDATE t SET a = 1 WHERE k = 1;");
    write("sql/1.sql", b"CREATE TABLE t (k int PRIMARY KEY, a int);");
    write("sql/2.down.sql", b"UPDATE t SET a = 1;");
    write("sql/notes.txt", b"no SQL");
    let ran = workspace.run(&["lint-migrations", "sql/2.sql", "sql", "--format", "json"]).expect(0);
    assert_eq!(json(&ran)["summary"]["files"], 2);
    // Migrations are sorted by version: 10 after 9.
    write("v/V10__b.sql", b"UPDATE u SET a = 1 WHERE k = 1;");
    write("v/V9__a.sql", b"CREATE TABLE u (k int PRIMARY KEY, a int);");
    workspace.run(&["lint-migrations", "v"]).expect(0);
    workspace.run(&["lint-migrations", "v/V10__b.sql"]).expect(1);
    assert!(
        workspace
            .run(&["lint-migrations", "nowhere.sql"])
            .expect(2)
            .stderr
            .contains("cannot read nowhere.sql")
    );
    let mut child = workspace
        .command()
        .args(["lint-migrations", "v/V9__a.sql", "-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"UPDATE u SET a = 1 WHERE k = 1;\n\nUPDATE u SET a = 2;").unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let ran = Ran { status: output.status.code().unwrap(), stdout, stderr: String::new() }.expect(1);
    assert_eq!(found(&ran), ["unbatched-update <stdin>:3"]);
}

#[test]
fn binary_and_misnamed_files_are_findings_and_the_rest_is_linted() {
    let workspace =
        Workspace::new(&[TABLE, ("V2__bad-name.sql", "UPDATE posts SET body = '';\n"), ("notes.txt", "")]);
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(workspace.root().join("migrations").join(name), bytes).unwrap();
    };
    write("V0003__latin.sql", b"SELECT '\xe4';\r\nUPDATE posts SET body = '';\r\n");
    write("V0004__nul.sql", b"SELECT 1;\nSELECT \0 2; UPDATE posts SET body = '';\n");
    write("V0005__wide.sql", b"\xff\xfeS\0");
    write("V0006__empty.sql", b"");
    std::fs::create_dir_all(workspace.root().join("migrations/seeds/test")).unwrap();
    write("seeds/test/a.sql", b"INSERT INTO posts (id) VALUES (1);\n");
    let expected = [
        "misnamed-file migrations/V2__bad-name.sql:1",
        "unbatched-update migrations/V2__bad-name.sql:1",
        "syntax-error migrations/V0003__latin.sql:1",
        "unbatched-update migrations/V0003__latin.sql:2",
        "syntax-error migrations/V0004__nul.sql:2",
        "unbatched-update migrations/V0004__nul.sql:2",
        "syntax-error migrations/V0005__wide.sql:1",
        "misnamed-file migrations/notes.txt:1",
    ];
    let ran = workspace.run(&["lint-migrations", "--format", "json"]).expect(1);
    assert_eq!(found(&ran), expected);
    for format in ["human", "sarif", "github", "gitlab"] {
        workspace.run(&["lint-migrations", "--format", format]).expect(1);
    }
    let nowhere = workspace.run(&["lint-migrations", "--migrations", "nowhere"]).expect(2);
    assert!(nowhere.stderr.contains("cannot be read"), "{}", nowhere.stderr);
}

#[test]
fn hostile_text_does_not_control_the_terminal() {
    let text = "UPDATE \"a\u{1b}[31mb\" SET x = 1;\n";
    let workspace = Workspace::new(&[("V1__x.sql", text)]);
    assert!(!workspace.run(&["lint-migrations"]).expect(1).stdout.contains('\u{1b}'));
    let mut coloured = workspace.command();
    let coloured = coloured.args(["lint-migrations"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    let stdout = String::from_utf8(coloured.stdout).unwrap();
    assert!(stdout.contains('\u{1b}') && !stdout.contains("\u{1b}[31mb"), "{stdout:?}");
}

#[test]
fn ten_thousand_files_and_a_long_one_are_linted_quickly() {
    let workspace = Workspace::new(&[]);
    for version in 1..=10_000 {
        let text = format!("CREATE TABLE t{version} (id bigint PRIMARY KEY);\nUPDATE t1 SET id = 1;\n");
        workspace.write(&format!("V{version}__t.sql"), &text);
    }
    // A generous limit for an unoptimised build on a busy machine: the test only excludes quadratic time.
    let quick = |arguments: &[&str]| {
        let started = Instant::now();
        let ran = workspace.run(arguments).expect(1);
        assert!(started.elapsed() < Duration::from_secs(60), "{arguments:?}: {:?}", started.elapsed());
        ran
    };
    let ran = quick(&["lint-migrations", "--format", "json"]);
    assert_eq!(json(&ran)["summary"]["findings"], 9_999);
    quick(&["lint-migrations"]);
    let long = workspace.root().join("long.sql");
    let text = "-- refit: allow(unbatched-update): few rows\nUPDATE t SET a = 'é';\nUPDATE t SET a = '';\n";
    std::fs::write(&long, text.repeat(10_000)).unwrap();
    let ran = quick(&["lint-migrations", "long.sql", "--format", "json"]);
    assert_eq!(json(&ran)["summary"]["suppressed"], 10_000);
    std::fs::write(&long, "UPDATE t SET a = 'é'; ".repeat(5_000)).unwrap();
    quick(&["lint-migrations", "long.sql"]);
}

#[test]
fn explain_shows_pages() {
    let workspace = Workspace::new(&[]);
    let page = workspace.run(&["explain", "unbatched-update"]).expect(0).stdout;
    assert!(page.starts_with("unbatched-update (error)\nUPDATE of an unbounded number of rows"), "{page}");
    assert!(page.contains("Unsafe:\n    UPDATE posts SET"), "{page}");
    assert!(!page.contains("```") && !page.contains('\u{1b}'), "{page}");
    let ran = workspace.run(&["explain", "unbatched-update", "--format", "json"]).expect(0);
    assert_eq!(json(&ran)["examples"][0]["safe"], false);
    let list = workspace.run(&["explain", "--list"]).expect(0).stdout;
    assert!(list.lines().any(|line| line.starts_with("missing-down ") && line.contains(" off ")), "{list}");
    let listed = json(&workspace.run(&["explain", "--list", "--format", "json"]).expect(0));
    assert_eq!(listed.as_array().unwrap().len(), list.lines().count());
    let unknown = workspace.run(&["explain", "unbatchd-update"]).expect(2);
    assert!(unknown.stderr.contains("did you mean `unbatched-update`?"), "{}", unknown.stderr);
    workspace.run(&["explain"]).expect(2);
}

#[test]
fn the_document_of_all_rules_matches_the_code() {
    let workspace = Workspace::new(&[]);
    assert!(
        workspace
            .run(&["explain", "--check"])
            .expect(2)
            .stderr
            .contains("docs/rules.md; `cargo xtask explain --markdown`")
    );
    let document = workspace.run(&["explain", "--markdown"]).expect(0).stdout;
    std::fs::create_dir(workspace.root().join("docs")).unwrap();
    std::fs::write(workspace.root().join("docs/rules.md"), &document).unwrap();
    workspace.run(&["explain", "--check"]).expect(0);
    std::fs::write(workspace.root().join("docs/rules.md"), document.replace("unbatched", "batched")).unwrap();
    assert!(workspace.run(&["explain", "--check"]).expect(1).stdout.contains("differs from the rules"));
    // The document of this workspace.
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md");
    let ran = workspace.run(&["explain", "--check", committed]);
    assert_eq!(ran.status, 0, "cargo xtask explain --markdown > docs/rules.md\n{}", ran.stdout);
}
