//! The recipes with their arguments, and the statements of the two releases.

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

pub(super) const BASE: &str = "
CREATE TABLE <authors> (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE <posts> (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    author_id bigint,
    <title> text NOT NULL DEFAULT 'untitled',
    <subtitle> text,
    status text NOT NULL DEFAULT 'draft',
    score text NOT NULL DEFAULT '0' CHECK (score <> ''),
    code text,
    kind text CHECK (kind <> 'the code'),
    UNIQUE (code)
);
CREATE INDEX posts_title ON <posts> (<title>, id);
CREATE INDEX posts_kind ON <posts> (kind) WHERE kind = 'code';
CREATE INDEX posts_score ON <posts> (score DESC) WHERE status = 'draft';
COMMENT ON COLUMN <posts>.<title> IS 'shown in lists';
CREATE VIEW titles AS SELECT id, <title> FROM <posts>;
CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, <title> text NOT NULL, <subtitle> text,
    details jsonb);
CREATE TABLE events (id bigint, <title> text NOT NULL, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
CREATE INDEX events_title ON events (<title>);
CREATE TABLE notes (post_no bigint, body text, first text NOT NULL, last text);
";

pub(super) const ROWS: &str = "
INSERT INTO <authors> (name) SELECT 'author ' || n FROM generate_series(1, 20) n;
INSERT INTO <posts> (author_id, <title>, <subtitle>, status, score, code)
SELECT 1 + n % 20, 'title ' || n, CASE WHEN n % 3 > 0 THEN 'sub ' || n END,
       (ARRAY['draft', 'live', 'gone'])[1 + n % 3], n::text, 'c' || n
FROM generate_series(1, 2000) n;
INSERT INTO people (<title>, <subtitle>, details) SELECT 'given ' || n, 'family ' || n,
       CASE WHEN n % 5 > 0 THEN jsonb_build_object('age', n, 'other', true) END FROM generate_series(1, 300) n;
INSERT INTO events SELECT n, 'event ' || n, date '2026-01-01' + n FROM generate_series(1, 600) n;
INSERT INTO notes SELECT n, 'body ' || n, 'first ' || n, CASE WHEN n % 2 = 0 THEN 'last ' || n END
FROM generate_series(1, 500) n;
ANALYZE;
";

/// What the old release does.
const WRITE: &str = "
INSERT INTO <posts> (author_id, <title>, score) VALUES (1, 'new', '7');
UPDATE <posts> SET <title> = <title> || '!', status = 'live' WHERE id BETWEEN 10 AND 20;
DELETE FROM <posts> WHERE id = 30;
SELECT id, <title>, status, score FROM <posts> WHERE id < 50;
";

const RENAMED: &str = "
DO $$ DECLARE r record; BEGIN
    INSERT INTO <posts> (<title>) VALUES ('by old') RETURNING * INTO r;
    ASSERT r.<title> = 'by old' AND r.<headline> = 'by old', 'insert by the old release';
    INSERT INTO <posts> (<headline>) VALUES ('by new') RETURNING * INTO r;
    ASSERT r.<title> = 'by new' AND r.<headline> = 'by new', 'insert by the new release';
    UPDATE <posts> SET <title> = 'old again' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<title> = 'old again' AND r.<headline> = 'old again', 'update by the old release';
    UPDATE <posts> SET <headline> = 'new again' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<title> = 'new again' AND r.<headline> = 'new again', 'update by the new release';
    UPDATE <posts> SET <title> = 'x', <headline> = 'y' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<title> = 'y' AND r.<headline> = 'y', 'update of both';
    UPDATE <posts> SET status = 'live' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<title> = 'y' AND r.<headline> = 'y', 'update of neither';
    INSERT INTO <posts> (score) VALUES ('1') RETURNING * INTO r;
    ASSERT r.<title> = 'untitled' AND r.<headline> = 'untitled', 'default';
    ASSERT (SELECT count(*) FROM titles WHERE <title> = 'y') = 1, 'view';
END $$";

const RETYPED: &str = "
DO $$ DECLARE r record; BEGIN
    INSERT INTO <posts> (score) VALUES ('41') RETURNING * INTO r;
    ASSERT r.score = '41' AND r.points = 41, 'insert by the old release';
    INSERT INTO <posts> (points) VALUES (42) RETURNING * INTO r;
    ASSERT r.score = '42' AND r.points = 42, 'insert by the new release';
    UPDATE <posts> SET score = '43' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.score = '43' AND r.points = 43, 'update by the old release';
    UPDATE <posts> SET points = 44 WHERE id = r.id RETURNING * INTO r;
    ASSERT r.score = '44' AND r.points = 44, 'update by the new release';
    UPDATE <posts> SET points = 46, score = '45' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.score = '46' AND r.points = 46, 'update of both';
    INSERT INTO <posts> (<title>) VALUES ('t') RETURNING * INTO r;
    ASSERT r.score = '0' AND r.points = 0, 'default';
END $$";

const AS_ENUM: &str = "
DO $$ DECLARE r record; BEGIN
    INSERT INTO <posts> (status) VALUES ('live') RETURNING * INTO r;
    ASSERT r.status = 'live' AND r.state = 'live', 'insert by the old release';
    UPDATE <posts> SET state = 'gone' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.status = 'gone' AND r.state = 'gone', 'update by the new release';
    INSERT INTO <posts> (score) VALUES ('1') RETURNING * INTO r;
    ASSERT r.status = 'draft' AND r.state = 'draft', 'default';
END $$";

const MERGED: &str = "
DO $$ DECLARE r record; BEGIN
    INSERT INTO people (<title>, <subtitle>) VALUES ('a', 'b') RETURNING * INTO r;
    ASSERT r.<headline> = 'a: b', 'insert by the old release';
    UPDATE people SET <subtitle> = 'c' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<headline> = 'a: c', 'update by the old release';
    UPDATE people SET <headline> = 'd' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<headline> = 'd', 'update by the new release';
END $$";

const UNFOLDED: &str = "
DO $$ DECLARE r record; BEGIN
    INSERT INTO people (<title>, details) VALUES ('a', '{\"age\": 7, \"b\": 1}') RETURNING * INTO r;
    ASSERT r.age = 7 AND r.<headline> IS NULL, 'insert by the old release';
    UPDATE people SET age = 8 WHERE id = r.id RETURNING * INTO r;
    ASSERT r.details = '{\"age\": 8, \"b\": 1}', 'update by the new release';
    UPDATE people SET age = NULL WHERE id = r.id RETURNING * INTO r;
    ASSERT r.details = '{\"b\": 1}', 'NULL by the new release';
    UPDATE people SET details = '{\"age\": 9}' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.age = 9, 'update by the old release';
    UPDATE people SET details = '{\"age\": 10, \"c\": 2}', age = 11 WHERE id = r.id RETURNING * INTO r;
    ASSERT r.age = 11 AND r.details = '{\"age\": 11, \"c\": 2}', 'update of both';
    INSERT INTO people (<title>, age) VALUES ('a', 5) RETURNING * INTO r;
    ASSERT r.details = '{\"age\": 5}', 'insert by the new release';
END $$";

const SPLIT: &str = "
DO $$ DECLARE r record; n record; BEGIN
    INSERT INTO people (<title>, <subtitle>) VALUES ('a', 'b') RETURNING * INTO r;
    SELECT * INTO STRICT n FROM \"people \"\"more\"\"\" WHERE id = r.id;
    ASSERT n.<subtitle> = 'b' AND n.details IS NULL, 'insert by the old release';
    UPDATE people SET <subtitle> = 'c' WHERE id = r.id;
    UPDATE \"people \"\"more\"\"\" SET details = '1' WHERE id = r.id RETURNING * INTO n;
    SELECT * INTO STRICT r FROM people WHERE id = r.id;
    ASSERT n.<subtitle> = 'c' AND r.<subtitle> = 'c' AND r.details = '1', 'update by both';
    DELETE FROM \"people \"\"more\"\"\" WHERE id = r.id;
    SELECT * INTO STRICT r FROM people WHERE id = r.id;
    ASSERT r.<subtitle> IS NULL AND r.details IS NULL, 'delete by the new release';
    ASSERT NOT EXISTS (SELECT FROM \"people \"\"more\"\"\" WHERE id = r.id), 'it stays deleted';
    INSERT INTO people (<title>) VALUES ('a') RETURNING * INTO r;
    INSERT INTO \"people \"\"more\"\"\" (id, <subtitle>) VALUES (r.id, 'new');
    SELECT * INTO STRICT r FROM people WHERE id = r.id;
    ASSERT r.<subtitle> = 'new', 'insert by the new release';
    DELETE FROM people WHERE id = r.id;
    ASSERT NOT EXISTS (SELECT FROM \"people \"\"more\"\"\" WHERE id = r.id), 'delete by either';
END $$";

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
