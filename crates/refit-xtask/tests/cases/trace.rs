//! `lint-migrations --trace` as a process.

use serde_json::Value;

use crate::support::{Ran, Workspace};

const TABLES: (&str, &str) = (
    "V0001__tables.sql",
    "CREATE TABLE authors (id bigint PRIMARY KEY);\nCREATE TABLE posts (id bigint PRIMARY KEY, author_id bigint NOT NULL \
     REFERENCES authors, status text, score integer);\n",
);
const CHANGES: (&str, &str) = (
    "V0002__changes.sql",
    "-- refit: allow(lock-held): shown on purpose\nALTER TABLE posts ALTER COLUMN score TYPE bigint;\n\
     UPDATE posts SET status = 'new' WHERE id <= 10;\nCREATE TABLE IF NOT EXISTS authors (id bigint);\n",
);
const INDEX: (&str, &str) = (
    "V0003__index.sql",
    "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY posts_status_idx ON posts (status);\n",
);
const FILL: (&str, &str) = (
    "V0004__fill.sql",
    "-- refit: backfill = { table = \"posts\", key = [\"id\"], batch = 400 }\n\
     UPDATE posts SET status = 'old' WHERE id > $1 AND id <= $2 AND status IS DISTINCT FROM 'old';\n",
);

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

fn valid(document: &Value) {
    let schema = include_str!("../../../../docs/lint-schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let problems: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(problems, [""; 0]);
}

#[test]
fn each_statement_is_shown_with_its_effects() {
    let workspace = Workspace::new(&[TABLES, CHANGES, INDEX, FILL]);
    let ran = workspace.run(&["lint-migrations", "--trace"]).expect(1);
    let times = [
        (r"took \d+(\.\d)? m?s", "took [time]"),
        (r"PostgreSQL \d+\.\d+", "PostgreSQL [N]"),
        (r"\d+ rules", "[N] rules"),
    ];
    insta::with_settings!({ filters => times.to_vec() }, {
        insta::assert_snapshot!("trace_human", ran.stdout);
    });
    let document =
        json(&workspace.run(&["lint-migrations", "--trace", "--rows", "200", "--format", "json"]).expect(1));
    valid(&document);
    let traced = document["trace"].as_array().unwrap();
    assert_eq!(traced[2]["rewritten"][0], "posts");
    assert_eq!(traced[5]["locks"][0]["mode"], "SHARE UPDATE EXCLUSIVE");
    assert_eq!(traced[5]["indexes"][0]["work"], "built");
    assert_eq!(traced[6]["batches"], 1);
    assert_eq!(traced[6]["changed"][0]["updated"], 200);
    assert!(traced.iter().all(|one| one["mismatches"].as_array().unwrap().is_empty()), "{traced:?}");
    // Explicit files may have any name, and may be dumps.
    std::fs::write(
        workspace.root().join("dump.sql"),
        "BEGIN; CREATE TABLE t (a int); COMMIT; CREATE INDEX ON t (a);",
    )
    .unwrap();
    let ran = workspace.run(&["lint-migrations", "--trace", "dump.sql", "--format", "json"]);
    assert_eq!(json(&ran)["trace"].as_array().unwrap().len(), 4, "{}", ran.stdout);
}

#[test]
fn statements_after_a_failure_are_reported_as_not_reached() {
    let bad = ("V0005__bad.sql", "ALTER TABLE posts ADD COLUMN x no_such_type;\nSELECT 1;\nSELECT 2;\n");
    let later = ("V0006__later.sql", "SELECT 3;\n");
    let workspace = Workspace::new(&[TABLES, bad, later]);
    let text = workspace.run(&["lint-migrations", "--trace"]).expect(1).stdout;
    for line in [
        "not reached: migrations/V0005__bad.sql: 2 statements after the one that failed",
        "not reached: migrations/V0006__later.sql: an earlier statement failed",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let document = json(&workspace.run(&["lint-migrations", "--trace", "--format", "json"]).expect(1));
    valid(&document);
    assert_eq!(document["skipped"][1]["path"], "migrations/V0006__later.sql");
}

#[test]
fn generated_rows_satisfy_keys_of_later_migrations() {
    let first = (
        "V0001__tables.sql",
        "CREATE TABLE owners (id bigint PRIMARY KEY, code text);\n\
         CREATE TABLE items (id bigint PRIMARY KEY, kind smallint, code text, owner_id bigint, owner_code text);\n",
    );
    let keys = (
        "V0002__keys.sql",
        "-- refit: transaction = false\nCREATE UNIQUE INDEX CONCURRENTLY items_code ON items (code);\n\
         ALTER TABLE items ADD CONSTRAINT once UNIQUE (kind, owner_id);\n\
         ALTER TABLE owners ADD UNIQUE (code);\n\
         ALTER TABLE items ADD FOREIGN KEY (owner_id) REFERENCES owners;\n\
         ALTER TABLE items ADD FOREIGN KEY (owner_code) REFERENCES owners (code);\n",
    );
    let workspace = Workspace::new(&[first, keys]);
    let document = json(&workspace.run(&["lint-migrations", "--trace", "--rows", "300", "--format", "json"]));
    let failed: Vec<&Value> =
        document["findings"].as_array().unwrap().iter().filter(|one| one["rule"] == "trace-failed").collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(document["trace"].as_array().unwrap().len(), 7);
    let rows = document["rows"].as_array().unwrap();
    assert!(rows.iter().all(|table| table["rows"] == 300), "{rows:?}");
}

#[test]
fn a_failed_statement_is_a_finding_in_every_format() {
    let bad = ("V0005__bad.sql", "SELECT 1;\nALTER TABLE posts\n    ADD COLUMN x no_such_type;\nSELECT 2;\n");
    let workspace = Workspace::new(&[TABLES, bad]);
    let run =
        |format: &str| workspace.run(&["lint-migrations", "--trace", "--format", format]).expect(1).stdout;
    let human = run("human");
    assert!(
        human.contains(
            "error[trace-failed]: this fails on the server: 42704 type \"no_such_type\" does not exist"
        ),
        "{human}"
    );
    assert!(human.contains("V0005__bad.sql:3:18"), "{human}");
    let document: Value = serde_json::from_str(&run("json")).unwrap();
    valid(&document);
    assert_eq!(document["summary"]["errors"], 1);
    assert_eq!(
        (&document["findings"][0]["rule"], &document["findings"][0]["line"]),
        (&"trace-failed".into(), &3.into())
    );
    assert!(run("github").contains("::error file=migrations/V0005__bad.sql,line=3"));
    assert!(run("sarif").contains("trace-failed") && run("gitlab").contains("trace-failed"));
    // A failure in a file that is not reported is a finding as well.
    let control = ("V0006__control.sql", "COMMIT;\n");
    let workspace = Workspace::new(&[TABLES, control]);
    let ran = workspace.run(&["lint-migrations", "--trace"]).expect(1);
    assert!(ran.stdout.contains("this fails: `COMMIT` ends the transaction"), "{}", ran.stdout);
}

#[test]
fn a_missing_server_is_reported() {
    let workspace = Workspace::new(&[TABLES]);
    let mut command = workspace.command();
    let output =
        command.args(["lint-migrations", "--trace"]).env("REFIT_PG_BIN", "/nowhere").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("cannot start a private PostgreSQL") && stderr.contains("/nowhere"), "{stderr}");
    workspace.run(&["lint-migrations", "--rows", "5"]).expect(2);
}
