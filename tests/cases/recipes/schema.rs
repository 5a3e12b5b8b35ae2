//! The schema that recipes are applied to, with rows.

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
