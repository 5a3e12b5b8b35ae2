//! `rehearse` as a process.

use refit_devdb::TestDb;
use serde_json::Value;

use crate::support::{Ran, Workspace};

const FILES: [(&str, &str); 4] = [
    ("V0001__t.sql", "CREATE TABLE t (id bigint PRIMARY KEY, a text NOT NULL);\n"),
    ("V0001__t.down.sql", "DROP TABLE t;\n"),
    ("V0002__type.sql", "ALTER TABLE t ALTER COLUMN a TYPE integer USING length(a);\n"),
    ("V0002__type.down.sql", "SELECT 1;\n"),
];

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

#[test]
fn a_rehearsal_is_rendered_for_people_as_json_and_as_markdown() {
    let workspace = Workspace::new(&FILES);
    let human = workspace.run(&["rehearse", "--rows", "100"]).expect(0).stdout;
    assert!(human.contains("rewrote t") && human.contains("ACCESS EXCLUSIVE on t"), "{human}");
    assert!(human.contains("a reader of t waited") && human.contains("2 migrations"), "{human}");
    // It fails because a down file does not restore the schema.
    let human = workspace.run(&["rehearse", "--rows", "100", "--stairway"]).expect(1).stdout;
    assert!(human.contains("after down the schema differs") && human.contains("t.a"), "{human}");
    let ran = workspace.run(&["rehearse", "--rows", "100", "--stairway", "--format", "json"]).expect(1);
    let document = json(&ran);
    assert_eq!(document["rows"][0]["rows"], 100);
    let [first, second] = [0, 1].map(|step| &document["steps"][step]);
    assert_eq!(first["stairway"]["outcome"], "same");
    assert_eq!(
        (&second["stairway"]["outcome"], &second["stairway"]["after"]),
        (&"different".into(), &"down".into())
    );
    assert_eq!(second["statements"][0]["rewritten"][0], "t");
    assert!(second["waits"][0]["reader_milliseconds"].as_f64().is_some_and(|wait| wait > 0.0));
    let markdown = workspace.run(&["rehearse", "--rows", "10", "--stairway", "--markdown"]).expect(1).stdout;
    assert!(markdown.contains("| `V0002__type.sql:1` |") && markdown.contains("````diff\n"), "{markdown}");
    let limited = json(&workspace.run(&["rehearse", "--to", "V0001", "--format", "json"]).expect(0));
    assert_eq!(limited["steps"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn migrations_pending_in_a_named_database_are_rehearsed_on_a_private_one() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    workspace.run(&["migrate", "--to", "V0001"]).expect(0);
    let paths = |arguments: &[&str]| {
        let document =
            json(&workspace.run(&[&["rehearse", "--format", "json"], arguments].concat()).expect(0));
        let steps = document["steps"].as_array().unwrap().clone();
        steps.iter().map(|step| step["path"].as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(paths(&[]), ["V0002__type.sql"]);
    assert_eq!(paths(&["--all"]), ["V0001__t.sql", "V0002__type.sql"]);
    // Only its history was read.
    assert_eq!(crate::support::history(&db).await.matches(':').count(), 1);
}

#[test]
fn a_failed_statement_is_reported_with_its_position() {
    let workspace =
        Workspace::new(&[FILES[0], ("V0003__bad.sql", "SELECT 1;\nALTER TABLE nowhere ADD x int;\n")]);
    let ran = workspace.run(&["rehearse"]).expect(1);
    assert!(
        ran.stdout.contains("failed: 42P01") && ran.stdout.contains("V0003__bad.sql:2:"),
        "{}",
        ran.stdout
    );
    let control = Workspace::new(&[("V0001__c.sql", "COMMIT;\n")]);
    assert!(control.run(&["rehearse"]).expect(1).stdout.contains("ends the transaction"));
    assert!(workspace.run(&["rehearse", "--to", "x"]).expect(2).stderr.contains("V0012"));
}
