//! Placeholders as processes: `--var`, values of environments, and what each command shows.

use refit_devdb::TestDb;

use crate::support::{Workspace, history, value};

const SETTINGS: &str = "[variables]\ntable = \"posts\"\n[environment.staging.variables]\nword = \"plover\"\n";

const FILES: [(&str, &str); 4] = [
    ("refit.toml", SETTINGS),
    ("V0001__t.sql", "CREATE TABLE ${table:ident} (a text DEFAULT ${word});\n"),
    ("V0001__t.down.sql", "DROP TABLE ${table:ident};\n"),
    ("V0001__t.check.sql", "SELECT a FROM ${table:ident} WHERE a <> ${word};\n"),
];

#[tokio::test]
async fn a_variable_is_given_on_the_command_line() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    for arguments in [["migrate"], ["plan"], ["status"], ["check"]] {
        let refused = workspace.run(&arguments).expect(2);
        let expected = "V0001__t.sql:1:45: the variable `word` has no value";
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    let refused = workspace.run(&["migrate", "--var", "wort=x"]).expect(2);
    assert!(refused.stderr.contains("there is no variable `wort`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("did you mean `word`?"), "{}", refused.stderr);
    for malformed in ["word", "=x", "a-b=x", "1a=x"] {
        let refused = workspace.run(&["migrate", "--var", malformed]).expect(2);
        assert!(refused.stderr.contains("expected NAME=VALUE"), "{}", refused.stderr);
    }
    let script = workspace.run(&["plan", "--sql", "--var", "word=it's = 1"]).expect(0).stdout;
    assert!(script.contains("CREATE TABLE \"posts\" (a text DEFAULT 'it''s = 1');"), "{script}");
    let given = ["--var", "word=first", "--var", "table=Notes", "--var", "word=it's"];
    workspace.run(&[&["migrate", "--checks", "--yes"][..2], &given].concat()).expect(0);
    assert_eq!(
        value::<String>(
            &db,
            "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = '\"Notes\"'::regclass"
        )
        .await,
        "'it''s'::text"
    );
    let applied = history(&db).await;
    workspace.run(&[&["check"], &given[..]].concat()).expect(0);
    workspace.run(&["plan", "--environment", "staging"]).expect(0);
    let script = workspace.run(&[&["rollback", "--sql"], &given[..]].concat()).expect(0).stdout;
    assert!(script.contains("DROP TABLE \"Notes\";"), "{script}");
    workspace.run(&[&["rollback", "--yes"], &given[..]].concat()).expect(0);
    assert!(!value::<bool>(&db, "SELECT to_regclass('\"Notes\"') IS NOT NULL").await);
    assert!(applied.starts_with("1:") && history(&db).await.is_empty());
}

#[test]
fn an_unknown_name_is_an_error_of_every_command_that_reads_the_set() {
    let workspace = Workspace::new(&[FILES[0], ("V0001__t.sql", "SELECT 1,\n ${wort};\n")]);
    for command in ["doc", "snapshot", "rehearse"] {
        let refused = workspace.run(&[command]).expect(2);
        assert!(
            refused.stderr.contains("V0001__t.sql:2:2: there is no variable `wort`"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn files_are_linted_with_their_values_and_reported_as_written() {
    let workspace = Workspace::new(&[
        ("refit.toml", SETTINGS),
        ("V0001__t.sql", "CREATE TABLE posts (id bigint PRIMARY KEY, a text);\n"),
        (
            "V0002__u.sql",
            "-- refit: allow(drop-column): ${no} longer read\nALTER TABLE ${table:ident} DROP COLUMN a;\n\
             SELECT ${word}; ALTER TABLE ${table:ident} RENAME TO other;\n",
        ),
        ("V0003__v.sql", "CREATE INDEX ON ${table:ident} (id); SELECT ${word:raw};\n"),
    ]);
    let json = |arguments: &[&str]| -> Vec<(String, i64, i64)> {
        let ran = workspace.run(&[&["lint-migrations", "--format", "json"], arguments].concat());
        let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let found = found["findings"].as_array().unwrap().iter();
        let number = |value: &serde_json::Value| value.as_i64().unwrap();
        found
            .map(|one| {
                (one["rule"].as_str().unwrap().to_owned(), number(&one["line"]), number(&one["column"]))
            })
            .filter(|(rule, ..)| {
                rule.starts_with("rename") || rule.contains("suppression") || rule.contains("raw")
            })
            .collect()
    };
    let expected = [("rename-table", 3, 44), ("raw-placeholder", 1, 45)];
    assert_eq!(json(&[]), expected.map(|(rule, line, column)| (rule.to_owned(), line, column)));
    // Another table is a new one.
    let human = workspace.run(&["lint-migrations", "--var", "table=unknown"]).stdout;
    assert!(human.contains("ALTER TABLE ${table:ident} RENAME TO other;"), "{human}");
    assert_eq!(workspace.run(&["lint-migrations", "--var", "tabel=x"]).expect(2).stdout, "");
    let fixed = workspace.run(&["lint-migrations", "--fix", "--fix-tracked", "--dry-run"]);
    let shown = format!("{}{}", fixed.stdout, fixed.stderr);
    assert!(shown.contains("the file has placeholders"), "{shown}");
    workspace.write("V0004__w.sql", "SELECT ${table:x};\n");
    let malformed = workspace.run(&["lint-migrations"]).expect(1).stdout;
    assert!(malformed.contains("the placeholder `table` has an unknown kind"), "{malformed}");
}

#[tokio::test]
async fn rehearsals_snapshots_and_traces_run_the_values() {
    let workspace = Workspace::new(&FILES);
    let given = ["--var", "word=it's"];
    workspace.run(&["rehearse"]).expect(2);
    let rehearsed = workspace.run(&[&["rehearse", "--stairway"], &given[..]].concat()).expect(0).stdout;
    assert!(rehearsed.contains("V0001__t"), "{rehearsed}");
    workspace.run(&[&["snapshot"], &given[..]].concat()).expect(0);
    let kept = workspace.read("snapshots/schema.snap");
    assert!(kept.contains("posts") && kept.contains("it''s"), "{kept}");
    workspace.write(
        "V0002__u.sql",
        "SELECT ${word}, 1;\nALTER TABLE ${table:ident} ALTER a SET NOT NULL, ADD b nothing;\n",
    );
    let traced = workspace.run(&[&["lint-migrations", "--trace"], &given[..]].concat()).expect(1).stdout;
    assert!(traced.contains("V0002__u.sql:2") && traced.contains("ADD b nothing;"), "{traced}");
    assert!(!traced.contains("'it''s', 1"), "{traced}");
}

#[test]
fn the_page_of_a_set_shows_placeholders() {
    let workspace = Workspace::new(&FILES);
    workspace.run(&["doc"]).expect(0);
    let page = std::fs::read_to_string(workspace.root().join("target/refit-doc/index.html")).unwrap();
    assert!(
        page.contains("CREATE TABLE ${table:ident}") && page.contains("DROP TABLE ${table:ident}"),
        "{page}"
    );
    assert!(!page.contains("plover"), "{page}");
}
