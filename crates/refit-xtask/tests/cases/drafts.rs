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

    for (flag, given) in
        [("--renamed", "posts.oops=headline"), ("--dropped", "posts.oops"), ("--renamed", "title")]
    {
        let decided = ["--renamed", "posts.title=headline", "--dropped", "posts.note", flag, given];
        let unknown = [&["new-migration", "draft", "--from", "schema.sql"][..], &decided].concat();
        let refused = workspace.run(&unknown).expect(2).stderr;
        assert!(refused.contains(given), "{flag} {given}: {refused}");
    }

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
    let outcomes: Vec<_> = rows.iter().map(|row| (row["table"].as_str(), row["outcome"].as_str())).collect();
    let expected = [("public.authors", "same"), ("public.posts", "without-columns")];
    assert_eq!(outcomes, expected.map(|(table, outcome)| (Some(table), Some(outcome))));
    assert!(rows.iter().all(|row| row["rows"] == 200), "{rows:#?}");
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

/// Each pair of schemas is drafted completely, both ways, and a second draft has nothing to do.
#[test]
fn schemas_that_depend_on_themselves() {
    let tables = "CREATE TABLE t (id int PRIMARY KEY, b int);";
    let cycle = "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); \
                 ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b;";
    let views = "CREATE VIEW v AS SELECT id, b FROM t; CREATE VIEW v2 AS SELECT id, b FROM v;";
    let parts = "CREATE TABLE p (id int, at date) PARTITION BY RANGE (at); \
                 CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');";
    for (before, after) in [
        (tables.to_owned(), format!("{tables} {cycle}")),
        (format!("{tables} {cycle}"), tables.to_owned()),
        (format!("{tables} {views}"), format!("{} {views}", tables.replace("b int", "b bigint"))),
        (parts.to_owned(), parts.replace("at date", "at date, n text")),
        (tables.to_owned(), tables.replace("b int", "b int, c text CHECK (c LIKE '%@%')")),
    ] {
        let workspace = Workspace::new(&[("V0001__t.sql", before.as_str())]);
        std::fs::write(workspace.root().join("schema.sql"), &after).unwrap();
        let drafted = workspace.run(&["new-migration", "draft", "--from", "schema.sql"]);
        assert!(!drafted.stdout.contains("do not restore"), "{before} -> {after}: {}", drafted.stdout);
        drafted.expect(0);
        let again = workspace.run(&["new-migration", "again", "--from", "schema.sql"]).expect(0).stdout;
        assert!(again.contains("the schemas are equal"), "{before} -> {after}: {again}");
    }
}

#[test]
fn nothing_is_cut_lost_or_kept_silently() {
    let table = "CREATE TABLE t (id serial PRIMARY KEY, n varchar(200));";
    let draft = |before: &str, after: &str, more: &[&str]| {
        let workspace = Workspace::new(&[("V0001__t.sql", before)]);
        std::fs::write(workspace.root().join("schema.sql"), after).unwrap();
        let ran = workspace.run(&[&["new-migration", "draft", "--from", "schema.sql"][..], more].concat());
        let text =
            |file: &String| std::fs::read_to_string(workspace.root().join("migrations").join(file)).unwrap();
        let ups = workspace.files();
        let ups = ups.iter().filter(|file| file.as_str() > "V0002" && !file.ends_with(".down.sql"));
        (ran, ups.map(text).collect::<String>())
    };
    // A value that is too long is refused by the server, not cut.
    let (_, text) = draft(table, &table.replace("200", "100"), &[]);
    assert!(!text.contains("USING"), "{text}");
    // A renamed table keeps its key and its sequence.
    let (ran, text) = draft(table, &table.replace("TABLE t ", "TABLE u "), &["--renamed", "t=u"]);
    ran.expect(0);
    assert!(
        text.contains("RENAME CONSTRAINT t_pkey TO u_pkey") && text.contains("RENAME TO u_id_seq"),
        "{text}"
    );
    assert!(!text.contains("DROP "), "{text}");
    // What the down file cannot restore is printed.
    let (ran, _) = draft("CREATE TYPE m AS ENUM ('a');", "CREATE TYPE m AS ENUM ('a', 'b');", &[]);
    let shown = ran.expect(0).stdout;
    assert!(shown.contains("the down files do not restore"), "{shown}");
    // Dropped columns are named with the rows.
    let (ran, _) = draft(table, "CREATE TABLE t (id serial PRIMARY KEY);", &[]);
    assert!(ran.expect(0).stdout.contains("without the values of dropped columns"));
    let (ran, _) = draft(table, table, &["--from", "POSTGRES://u:s3cr3t@h/db"]);
    assert!(!ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
}
