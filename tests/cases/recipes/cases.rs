//! The recipes with their arguments, and the statements of the two releases.

use super::both::{AS_ENUM, MERGED, RENAMED, RETYPED, SPLIT, UNFOLDED};

/// What becomes of the last step when it is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// Schema and rows are as before.
    Undone,
    /// The schema is as before; values are lost.
    Loses,
    /// It refuses to be undone.
    Final,
}

/// A recipe with its arguments.
pub(super) struct Case {
    pub(super) recipe: &'static str,
    pub(super) arguments: &'static [(&'static str, &'static [&'static str])],
    /// Run after every step, unless the last one is manual.
    pub(super) old: &'static [&'static str],
    /// Like `old`: assertions about both.
    pub(super) both: &'static [&'static str],
    /// Run after the last steps.
    pub(super) new: &'static [&'static str],
    /// How many steps before the last one they run too.
    pub(super) new_from_end: usize,
    pub(super) last: Last,
    /// Values that were filled in are still there after going down.
    pub(super) values_stay: bool,
}

const CASE: Case = Case {
    recipe: "",
    arguments: &[],
    old: &[WRITE],
    both: &[],
    new: &[],
    new_from_end: 0,
    last: Last::Undone,
    values_stay: false,
};

/// What the old release does.
const WRITE: &str = "
INSERT INTO <posts> (author_id, <title>, score) VALUES (1, 'new', '7');
UPDATE <posts> SET <title> = <title> || '!', status = 'live' WHERE id BETWEEN 10 AND 20;
DELETE FROM <posts> WHERE id = 30;
SELECT id, <title>, status, score FROM <posts> WHERE id < 50;
";

pub(super) const CASES: &[Case] = &[
    Case {
        recipe: "add-column",
        arguments: &[
            ("table", &["<posts>"]),
            ("column", &["<headline>"]),
            ("type", &["text"]),
            ("default", &["'none'"]),
            ("comment", &["it's new"]),
        ],
        new: &["INSERT INTO <posts> (<headline>) VALUES ('h')"],
        ..CASE
    },
    Case {
        recipe: "add-not-null-column",
        arguments: &[
            ("table", &["<posts>"]),
            ("column", &["<headline>"]),
            ("type", &["text"]),
            ("default", &["'none'"]),
        ],
        new: &["INSERT INTO <posts> (<headline>) VALUES ('h')"],
        ..CASE
    },
    Case {
        recipe: "add-not-null-column",
        arguments: &[
            ("table", &["<posts>"]),
            ("column", &["<headline>"]),
            ("type", &["text"]),
            ("value", &["upper(<title>)"]),
        ],
        new: &["INSERT INTO <posts> (<headline>) VALUES ('h')"],
        both: &[
            "DO $$ BEGIN ASSERT (SELECT <headline> FROM <posts> WHERE id = 1) IS NULL \
                 OR (SELECT <headline> FROM <posts> WHERE id = 1) = 'TITLE 1'; END $$",
            "DO $$ DECLARE r record; BEGIN INSERT INTO <posts> (<title>) VALUES ('a') RETURNING * INTO r; \
             ASSERT r.<headline> = 'A'; END $$",
        ],
        new_from_end: 9,
        ..CASE
    },
    Case {
        recipe: "set-not-null",
        arguments: &[("table", &["<posts>"]), ("column", &["author_id"])],
        ..CASE
    },
    Case {
        recipe: "set-not-null",
        arguments: &[
            ("table", &["<posts>"]),
            ("column", &["<subtitle>"]),
            ("value", &["'about ' || <title>"]),
        ],
        new: &["INSERT INTO <posts> (<subtitle>) VALUES ('h')"],
        new_from_end: 9,
        values_stay: true,
        ..CASE
    },
    Case {
        recipe: "backfill",
        arguments: &[("table", &["<posts>"]), ("column", &["<subtitle>"]), ("value", &["lower(<title>)"])],
        ..CASE
    },
    Case {
        recipe: "backfill",
        arguments: &[
            ("table", &["<posts>"]),
            ("column", &["<subtitle>"]),
            ("value", &["'none'"]),
            ("where", &["<subtitle> IS NULL AND status = 'draft' AND <title> <> '\"'"]),
        ],
        ..CASE
    },
    Case {
        recipe: "add-index",
        arguments: &[
            ("table", &["<posts>"]),
            ("column", &["<title>", "<subtitle>"]),
            ("where", &["status = 'live'"]),
            ("include", &["score"]),
        ],
        ..CASE
    },
    Case { recipe: "drop-index", arguments: &[("index", &["posts_title"])], ..CASE },
    Case { recipe: "drop-index", arguments: &[("index", &["public.posts_score"])], ..CASE },
    Case {
        recipe: "replace-index",
        arguments: &[("index", &["posts_title"]), ("column", &["<title>", "status"])],
        ..CASE
    },
    Case {
        recipe: "add-foreign-key",
        arguments: &[
            ("table", &["<posts>"]),
            ("column", &["author_id"]),
            ("references", &["<authors>(id)"]),
            ("on-delete", &["set-null"]),
        ],
        ..CASE
    },
    Case {
        recipe: "add-check",
        arguments: &[("table", &["<posts>"]), ("check", &["length(<title>) > 0"])],
        ..CASE
    },
    Case {
        recipe: "add-unique",
        arguments: &[("table", &["<posts>"]), ("column", &["<title>", "code"])],
        ..CASE
    },
    Case { recipe: "add-primary-key", arguments: &[("table", &["notes"]), ("column", &["post_no"])], ..CASE },
    Case {
        recipe: "rename-column",
        arguments: &[("table", &["<posts>"]), ("column", &["<title>"]), ("to", &["<headline>"])],
        both: &[RENAMED],
        new: &[
            "INSERT INTO <posts> (<headline>) VALUES ('h'); SELECT <headline> FROM <posts> WHERE <headline> = 'h'",
        ],
        new_from_end: 1,
        ..CASE
    },
    Case {
        recipe: "rename-column",
        arguments: &[("table", &["events"]), ("column", &["<title>"]), ("to", &["<headline>"])],
        old: &[
            WRITE,
            "INSERT INTO events VALUES (1000, 'x', '2026-05-05'); UPDATE events SET <title> = 'y' WHERE id = 7",
        ],
        both: &["DO $$ DECLARE r record; BEGIN \
                 INSERT INTO events (id, <headline>, at) VALUES (9000, 'h', '2027-05-05') RETURNING * INTO r; ASSERT r.<title> = 'h'; \
                 UPDATE events SET <title> = 't' WHERE id = 9000 RETURNING * INTO r; ASSERT r.<headline> = 't'; END $$"],
        new: &["INSERT INTO events (id, <headline>, at) VALUES (1000, 'x', '2026-05-05')"],
        new_from_end: 1,
        ..CASE
    },
    Case {
        recipe: "add-check",
        arguments: &[("table", &["events"]), ("check", &["id > 0"]), ("object-name", &["positive \"id\""])],
        ..CASE
    },
    Case {
        recipe: "change-column-type",
        arguments: &[
            ("table", &["<posts>"]),
            ("column", &["score"]),
            ("to", &["points"]),
            ("type", &["bigint"]),
        ],
        both: &[RETYPED],
        new: &["INSERT INTO <posts> (points) VALUES (5); INSERT INTO <posts> (author_id) VALUES (5); \
                SELECT points + 1 FROM <posts> WHERE points > 3"],
        new_from_end: 1,
        ..CASE
    },
    Case {
        recipe: "change-column-type",
        arguments: &[
            ("table", &["<posts>"]),
            ("column", &["code"]),
            ("to", &["number"]),
            ("type", &["integer"]),
            ("using", &["substr(code, 2)::integer"]),
            ("back", &["'c' || number"]),
        ],
        both: &["DO $$ DECLARE r record; BEGIN \
                 INSERT INTO <posts> (code) VALUES ('c9001') RETURNING * INTO r; ASSERT r.number = 9001; \
                 UPDATE <posts> SET number = 9002 WHERE id = r.id RETURNING * INTO r; ASSERT r.code = 'c9002'; END $$"],
        new: &["INSERT INTO <posts> (number) VALUES (9003)"],
        new_from_end: 1,
        ..CASE
    },
    Case {
        recipe: "enum-from-text",
        arguments: &[
            ("table", &["<posts>"]),
            ("column", &["status"]),
            ("to", &["state"]),
            ("type", &["Post state"]),
            ("values", &["draft", "live", "gone", "it's"]),
        ],
        both: &[AS_ENUM],
        new: &["INSERT INTO <posts> (state) VALUES ('live')"],
        new_from_end: 1,
        ..CASE
    },
    Case {
        recipe: "merge-columns",
        arguments: &[
            ("table", &["people"]),
            ("column", &["<title>", "<subtitle>"]),
            ("to", &["<headline>"]),
            ("type", &["text"]),
            ("value", &["<title> || coalesce(': ' || <subtitle>, '')"]),
        ],
        both: &[MERGED],
        new: &["INSERT INTO people (<headline>) VALUES ('h')"],
        new_from_end: 1,
        old: &["INSERT INTO people (<title>, <subtitle>) VALUES ('a', 'b')"],
        last: Last::Loses,
        ..CASE
    },
    Case {
        recipe: "json-to-columns",
        arguments: &[
            ("table", &["people"]),
            ("column", &["details"]),
            ("field", &["<headline>:text", "age:integer"]),
        ],
        old: &["INSERT INTO people (<title>, details) VALUES ('a', '{\"age\": 7}'); \
                UPDATE people SET details = details || '{\"age\": 8}' WHERE id < 9; UPDATE people SET details = NULL WHERE id = 5"],
        both: &[UNFOLDED],
        new: &[
            "INSERT INTO people (<title>, age) VALUES ('a', 5); UPDATE people SET age = NULL, <headline> = 'x' WHERE id < 9",
        ],
        new_from_end: 1,
        ..CASE
    },
    Case {
        recipe: "split-table",
        arguments: &[
            ("table", &["people"]),
            ("column", &["<subtitle>", "details"]),
            ("to", &["people \"more\""]),
        ],
        old: &[
            "INSERT INTO people (<title>, <subtitle>) VALUES ('a', 'b'); UPDATE people SET <subtitle> = 'x' WHERE id < 9; \
                DELETE FROM people WHERE id = 4",
        ],
        both: &[SPLIT],
        new: &[
            "INSERT INTO people (<title>) VALUES ('a'); INSERT INTO \"people \"\"more\"\"\" (id, <subtitle>) SELECT max(id), 'z' FROM people; \
                DELETE FROM people WHERE id = 4",
        ],
        new_from_end: 2,
        ..CASE
    },
    Case {
        recipe: "rename-table",
        arguments: &[("table", &["<posts>"]), ("to", &["articles of today"])],
        new: &["INSERT INTO \"articles of today\" (<title>) VALUES ('h') RETURNING id; \
                UPDATE \"articles of today\" SET <title> = 'x' WHERE id = 5"],
        new_from_end: 1,
        ..CASE
    },
    Case {
        recipe: "drop-column",
        arguments: &[("table", &["<posts>"]), ("column", &["<subtitle>"])],
        last: Last::Loses,
        ..CASE
    },
    Case {
        recipe: "drop-column",
        arguments: &[("table", &["notes"]), ("column", &["first"])],
        old: &["INSERT INTO notes (first) VALUES ('x')"],
        new: &["INSERT INTO notes (last) VALUES ('x')"],
        new_from_end: 1,
        last: Last::Loses,
        ..CASE
    },
    Case { recipe: "drop-table", arguments: &[("table", &["<authors>"])], last: Last::Final, ..CASE },
    Case {
        recipe: "cleanup",
        arguments: &[("table", &["<authors>"]), ("drop-after", &["2027-01-31"])],
        ..CASE
    },
    Case {
        recipe: "cleanup",
        arguments: &[("table", &["notes"]), ("column", &["first"]), ("drop-after", &["2027-01-31"])],
        old: &["INSERT INTO notes (first) VALUES ('x')"],
        new: &["INSERT INTO notes (last) VALUES ('x')"],
        new_from_end: 1,
        ..CASE
    },
];
