//! `new-migration --from`: the files lead to exactly the schema that was asked for.

use refit_devdb::TestDb;
use serde_json::Value;

use crate::support::{Workspace, execute};

const TABLES: (&str, &str) = (
    "V0001__tables.sql",
    "CREATE TABLE authors (id bigint PRIMARY KEY, name text NOT NULL);\n\
     CREATE TABLE posts (id bigint PRIMARY KEY, author bigint NOT NULL, title text NOT NULL, note text);\n\
     CREATE VIEW titles AS SELECT id, title FROM posts;\n",
);

const SCHEMA: &str = "CREATE TYPE state AS ENUM ('new', 'done');\n\
     CREATE TABLE authors (id bigint PRIMARY KEY, name text NOT NULL, \"order\" integer NOT NULL DEFAULT 0);\n\
     CREATE TABLE posts (id bigint PRIMARY KEY, author bigint NOT NULL REFERENCES authors, headline text NOT NULL,\n\
       state state NOT NULL DEFAULT 'new', CHECK (headline <> ''));\n\
     CREATE INDEX posts_author ON posts (author);\n\
     CREATE TABLE tags (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, post bigint REFERENCES posts, label varchar(40));\n\
     ALTER TABLE tags ENABLE ROW LEVEL SECURITY;\n\
     CREATE ROLE draft_reader;\n\
     CREATE POLICY own ON tags FOR SELECT TO draft_reader USING (post > 0);\n\
     GRANT SELECT ON tags TO draft_reader;\n\
     COMMENT ON TABLE tags IS 'what posts are about';\n\
     CREATE VIEW titles AS SELECT id, headline AS title FROM posts;\n";

fn workspace(schema: &str) -> Workspace {
    let workspace = Workspace::new(&[TABLES]);
    std::fs::write(workspace.root().join("schema.sql"), schema).unwrap();
    workspace
}

#[test]
fn a_declared_schema_becomes_migrations_in_their_safe_form() {
    let workspace = workspace(SCHEMA);
    let refused = workspace.run(&["new-migration", "draft", "--from", "schema.sql"]).expect(2).stderr;
    assert!(
        refused.contains("public.posts.note is gone") || refused.contains("public.posts.title is gone"),
        "{refused}"
    );
    assert!(refused.contains("--renamed public.posts."), "{refused}");
    assert_eq!(workspace.files().len(), 1, "nothing is written before it is decided");

    let given = ["--renamed", "posts.title=headline", "--dropped", "posts.note", "--format", "json"];
    let drafted = workspace.run(&[&["new-migration", "draft", "--from", "schema.sql"][..], &given].concat());
    let drafted = drafted.expect(0);
    let document: Value = serde_json::from_str(&drafted.stdout).unwrap();
    assert_eq!(document["not_drafted"], serde_json::json!([]), "{document:#}");
    assert_eq!(
        document["summary"].as_str().map(|text| text.contains("+1 table")),
        Some(true),
        "{document:#}"
    );
    let rows = document["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["outcome"] == "same" && row["rows"] == 200), "{rows:#?}");
    // The index is built in a file of its own, concurrently.
    let texts: Vec<String> = workspace
        .files()
        .iter()
        .map(|file| std::fs::read_to_string(workspace.root().join("migrations").join(file)).unwrap())
        .collect();
    assert!(texts.iter().any(|text| text.contains("CREATE INDEX CONCURRENTLY posts_author")), "{texts:#?}");
    assert!(texts.iter().any(|text| text.contains("RENAME COLUMN title TO headline")), "{texts:#?}");

    let again = workspace.run(&["new-migration", "again", "--from", "schema.sql"]).expect(0);
    assert!(again.stdout.contains("the schemas are equal"), "{}", again.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_a_target_too() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, TABLES.1).await;
    execute(&db, "ALTER TABLE posts ADD COLUMN words integer; CREATE SEQUENCE numbers").await;
    let workspace = workspace("");
    let drafted = workspace.run(&["new-migration", "words", "--from", db.url()]).expect(0).stdout;
    assert!(drafted.contains("+1 column, +1 sequence") && drafted.contains("V0002__words.sql"), "{drafted}");
    let up = std::fs::read_to_string(workspace.root().join("migrations/V0002__words.sql")).unwrap();
    assert_eq!(
        up,
        "-- +1 column, +1 sequence\n\nCREATE SEQUENCE public.numbers;\n\nALTER TABLE public.posts ADD COLUMN words integer;\n"
    );
    let down = std::fs::read_to_string(workspace.root().join("migrations/V0002__words.down.sql")).unwrap();
    assert_eq!(down, "ALTER TABLE public.posts DROP COLUMN words;\n\nDROP SEQUENCE public.numbers;\n");
}

#[test]
fn what_cannot_be_drafted_is_listed() {
    let schema = TABLES.1.replace("title text NOT NULL, note text", "note text, title text NOT NULL");
    let workspace = workspace(&schema);
    let drafted = workspace.run(&["new-migration", "order", "--from", "schema.sql"]).expect(1).stdout;
    assert!(drafted.contains("not drafted"), "{drafted}");
}

#[test]
fn a_bad_target_is_refused() {
    let workspace = workspace("CREATE TABLE posts (\n  id bigint,\n  oops);\n");
    for (from, expected) in [
        ("schema.sql", "schema.sql:3:7"),
        ("nothing.sql", "neither the URL of a database nor a file of SQL"),
        ("postgres://localhost:1/nothing", "cannot connect"),
    ] {
        let refused = workspace.run(&["new-migration", "draft", "--from", from]).expect(2).stderr;
        assert!(refused.contains(expected), "{from}: {refused}");
    }
    let refused = workspace.run(&["new-migration", "draft", "--renamed", "a=b"]).expect(2).stderr;
    assert!(refused.contains("--from"), "{refused}");
    assert_eq!(workspace.files().len(), 1);
}
