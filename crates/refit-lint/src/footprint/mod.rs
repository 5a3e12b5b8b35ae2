//! What each statement of a set touches: the objects that it changes, and those that it names. Two migrations whose footprints
//! do not overlap do not depend on their order, as far as their texts show: what a trigger does is not seen.
//!
//! Changes are those of the statement and of the bodies that it runs; names are all identifiers of its text, bodies included,
//! so that no object is missed that the text names. A statement that may change what it does not name is opaque.

mod changes;
mod words;

use std::collections::BTreeSet;

use refit_model::{SqlText, Touched, front_matter, shared_objects};

use crate::engine::nested;
use crate::lint::{Input, file_name};
use crate::parser::parse;
use crate::schema::Schema;
use crate::search_path;
use crate::sql::{Name, Span};
use crate::stack::with_room;

/// What a statement or a file touches. Objects are names with their schema, unless it is `public` or the search path decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    changes: BTreeSet<String>,
    /// Tables whose rows it changes; they are among `changes`.
    rows: BTreeSet<String>,
    names: BTreeSet<String>,
    /// Why it may touch more than that.
    opaque: Option<&'static str>,
}

/// The footprint of a file, by statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFootprint {
    /// The path, as the caller gave it.
    pub path: String,
    /// Its statements: ranges of bytes of the text that is sent, and what each touches.
    pub statements: Vec<(Span, Footprint)>,
}

/// What two footprints have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlap {
    /// Objects that one of them changes and the other changes or names.
    Objects {
        /// Their names, as in `app.posts`.
        names: BTreeSet<String>,
        /// Those whose rows one changes, and the other changes or uses for its own changes of rows.
        rows: BTreeSet<String>,
    },
    /// One of them may touch anything, for this reason.
    Unknown(&'static str),
}

impl Footprint {
    /// What this has in common with another footprint; `None` if the order of the two does not matter.
    pub fn overlap(&self, other: &Footprint) -> Option<Overlap> {
        let mut names = shared_objects(&self.changes, &other.changes);
        names.extend(shared_objects(&self.changes, &other.names));
        names.extend(shared_objects(&other.changes, &self.names));
        if names.is_empty() {
            let is_empty = |one: &Footprint| one.changes.is_empty() && one.opaque.is_none();
            let reason = self.opaque.or(other.opaque).filter(|_| !is_empty(self) && !is_empty(other));
            return reason.map(Overlap::Unknown);
        }
        let mut rows = shared_objects(&self.rows, &other.rows);
        if !self.rows.is_empty() && !other.rows.is_empty() {
            rows.extend(shared_objects(&self.rows, &other.names));
            rows.extend(shared_objects(&other.rows, &self.names));
        }
        Some(Overlap::Objects { names, rows })
    }

    /// What it touches, for `footprints.toml`, with the names that are among `objects`.
    pub fn touched(&self, objects: &BTreeSet<String>) -> Touched {
        let mut names = shared_objects(&self.names, objects);
        names.retain(|name| !self.changes.contains(name));
        Touched { changes: self.changes.clone(), names, opaque: self.opaque.map(str::to_owned) }
    }

    /// The objects whose definition or rows it changes.
    pub fn changes(&self) -> impl Iterator<Item = &String> {
        self.changes.iter()
    }

    fn add(&mut self, other: &Footprint) {
        self.changes.extend(other.changes.iter().cloned());
        self.rows.extend(other.rows.iter().cloned());
        self.names.extend(other.names.iter().cloned());
        self.opaque = self.opaque.or(other.opaque);
    }

    fn change(&mut self, name: &Name) {
        if name.schema.as_deref() != Some("pg_temp") {
            self.changes.insert(name.key());
        }
    }

    fn change_rows(&mut self, table: &Name) {
        if table.schema.as_deref() != Some("pg_temp") {
            self.change(table);
            self.rows.insert(table.key());
        }
    }

    fn opaque(&mut self, reason: &'static str) {
        self.opaque = self.opaque.or(Some(reason));
    }
}

impl FileFootprint {
    /// The footprint of all statements.
    pub fn whole(&self) -> Footprint {
        let mut whole = Footprint::default();
        self.statements.iter().for_each(|(_, one)| whole.add(one));
        whole
    }
}

/// The footprints of SQL files that are one set, in the given order. The texts are those that are sent, with values in place of
/// placeholders.
pub fn footprints(files: &[(&Input, SqlText)]) -> Vec<FileFootprint> {
    with_room(|| {
        let mut schema = Schema::default();
        files.iter().map(|(input, text)| file(&input.path, text, &mut schema)).collect()
    })
}

fn file(path: &str, text: &SqlText, schema: &mut Schema) -> FileFootprint {
    schema.in_utc = false;
    let parsed = parse(text);
    let mut stmts = parsed.stmts;
    search_path::resolve(&mut stmts, schema);
    let (directives, ..) = front_matter(file_name(path), text.written());
    let table = directives.backfill.as_ref().map(|backfill| Name::of_directive(&backfill.table));
    let mut statements = Vec::new();
    for stmt in &stmts {
        let written = text.get(stmt.span.start as usize..stmt.span.end as usize).unwrap_or_default();
        let mut found = Footprint { names: words::names(written), ..Footprint::default() };
        for part in &nested(stmt, schema) {
            changes::add(&part.stmt, written, schema, &mut found);
        }
        table.iter().for_each(|table| found.change_rows(table));
        if parsed
            .errors
            .iter()
            .any(|error| error.span.start < stmt.span.end && stmt.span.start < error.span.end)
        {
            found.opaque("a statement does not parse");
        }
        schema.replay(stmt);
        statements.push((stmt.span, found));
    }
    if stmts.is_empty() && !parsed.errors.is_empty() {
        let opaque = Footprint { opaque: Some("it does not parse"), ..Footprint::default() };
        statements.push((Span::default(), opaque));
    }
    FileFootprint { path: path.to_owned(), statements }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the last files of two sets have in common, after a file that both have.
    fn overlap(base: &str, one: &str, other: &str) -> Option<Overlap> {
        let whole = |text: &str| {
            let inputs = [("V1__a.sql", base), ("V2__b.sql", text)]
                .map(|(path, text)| Input::of_folder(path, text, true));
            let files: Vec<(&Input, SqlText)> =
                inputs.iter().map(|input| (input, SqlText::from(input.text()))).collect();
            footprints(&files).pop().unwrap().whole()
        };
        let (one, other) = (whole(one), whole(other));
        let found = one.overlap(&other);
        assert_eq!(found.is_some(), other.overlap(&one).is_some());
        found
    }

    fn names(found: Option<Overlap>) -> Vec<String> {
        match found {
            Some(Overlap::Objects { names, .. }) => names.into_iter().collect(),
            Some(Overlap::Unknown(reason)) => vec![format!("? {reason}")],
            None => Vec::new(),
        }
    }

    const BASE: &str = "CREATE TABLE posts (id bigint, title text);
        CREATE TABLE app.tags (id bigint, title text);
        CREATE INDEX posts_title ON posts (title);
        CREATE FUNCTION fill() RETURNS void LANGUAGE sql AS $$ UPDATE posts SET title = '' $$;";

    #[test]
    fn objects_that_one_changes_and_the_other_names_are_shared() {
        for (one, other, expected) in [
            (
                "ALTER TABLE posts ADD COLUMN a int",
                "ALTER TABLE public.posts ADD COLUMN b int",
                &["posts"][..],
            ),
            ("ALTER TABLE posts ADD COLUMN a int", "CREATE VIEW v AS SELECT id FROM posts", &["posts"]),
            (
                "ALTER TABLE posts ADD COLUMN a int",
                "CREATE TABLE c (p bigint REFERENCES posts (id))",
                &["posts"],
            ),
            ("DROP INDEX posts_title", "ALTER TABLE posts DROP COLUMN title", &["posts"]),
            ("ALTER TABLE posts RENAME TO entries", "CREATE TABLE entries (id int)", &["entries"]),
            ("SELECT fill()", "ALTER TABLE posts DROP COLUMN title", &["posts"]),
            (
                "SET search_path = app; ALTER TABLE tags ADD a int",
                "COMMENT ON TABLE app.tags IS 'x'",
                &["app.tags"],
            ),
            ("GRANT SELECT ON posts TO reader", "DROP TABLE posts", &["posts"]),
            ("DO $$ BEGIN EXECUTE 'DROP TABLE posts'; END $$", "TRUNCATE posts", &["posts"]),
            ("CREATE TYPE mood AS ENUM ('a')", "ALTER TABLE posts ADD COLUMN m mood", &["mood"]),
            ("SELECT setval('posts_id_seq', 1)", "ALTER SEQUENCE posts_id_seq CACHE 5", &["posts_id_seq"]),
            (
                "CREATE FUNCTION g() RETURNS void LANGUAGE sql AS $f$ DELETE FROM posts $f$",
                "DROP TABLE posts",
                &["posts"],
            ),
        ] {
            assert_eq!(names(overlap(BASE, one, other)), expected, "{one} / {other}");
        }
    }

    #[test]
    fn what_is_only_read_or_elsewhere_is_not_shared() {
        for (one, other) in [
            ("ALTER TABLE posts ADD COLUMN a int", "ALTER TABLE app.tags ADD COLUMN title2 text"),
            ("ALTER TABLE x.posts ADD COLUMN a int", "ALTER TABLE y.posts ADD COLUMN a int"),
            ("CREATE VIEW v AS SELECT id FROM posts", "CREATE VIEW w AS SELECT id FROM posts"),
            ("GRANT SELECT ON posts TO reader", "GRANT SELECT ON app.tags TO reader"),
            ("CREATE TABLE a (id bigint DEFAULT 1)", "CREATE TABLE b (id bigint DEFAULT 1)"),
            ("CREATE EXTENSION IF NOT EXISTS citext", "DROP TABLE IF EXISTS posts"),
            ("ALTER FUNCTION fill() OWNER TO boss", "ALTER TABLE posts OWNER TO boss"),
            ("SELECT 1", "DO $$ BEGIN EXECUTE current_setting('a'); END $$"),
        ] {
            assert_eq!(overlap(BASE, one, other), None, "{one} / {other}");
        }
    }

    #[test]
    fn what_may_touch_anything_is_shared_with_every_change() {
        for one in [
            "DO $$ BEGIN EXECUTE current_setting('a'); END $$",
            "DROP TABLE posts CASCADE",
            "ALTER TABLE posts DROP COLUMN title CASCADE",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader",
            "DO LANGUAGE plpython3u $$ pass $$",
            "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
        ] {
            let found = names(overlap(BASE, one, "CREATE TABLE other (id int)"));
            assert!(found.len() == 1 && found[0].starts_with("? "), "{one}: {found:?}");
        }
        let keyed = "ALTER TABLE posts ADD FOREIGN KEY (id) REFERENCES app.tags ON DELETE CASCADE";
        assert_eq!(overlap(BASE, keyed, "CREATE TABLE other (id int)"), None);
    }

    #[test]
    fn changes_of_rows_are_distinguished() {
        let rows = |one: &str, other: &str| match overlap(BASE, one, other) {
            Some(Overlap::Objects { rows, .. }) => rows.into_iter().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(rows("UPDATE posts SET id = 1", "DELETE FROM posts"), ["posts"]);
        assert_eq!(rows("UPDATE posts SET id = 1", "INSERT INTO app.tags SELECT id FROM posts"), ["posts"]);
        assert!(rows("UPDATE posts SET id = 1", "ALTER TABLE posts ADD COLUMN a int").is_empty());
        let backfill =
            "-- refit: backfill = { table = \"posts\", key = [\"id\"] }\nSELECT fill_batch($1, $2);";
        assert_eq!(rows(backfill, "UPDATE posts SET title = 'x'"), ["posts"]);
    }
}
