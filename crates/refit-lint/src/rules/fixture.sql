-- What every example of a rule's page runs on. The proof test fills it with 200,000 rows.
CREATE TABLE authors (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name  text NOT NULL,
    email text
);
CREATE TABLE posts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    author_id    bigint NOT NULL,
    editor_id    bigint NOT NULL,
    title        text NOT NULL,
    status       text,
    score        integer NOT NULL,
    price        numeric(10, 2) NOT NULL,
    code         varchar(20),
    slug         text NOT NULL,
    published_at timestamptz,
    legacy       text
);
CREATE INDEX posts_author_id_idx ON posts (author_id);
CREATE TABLE posts_archive (id bigint PRIMARY KEY, title text, status text);
CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 (id bigint NOT NULL, at timestamptz NOT NULL, note text);
CREATE TABLE readings (id bigint NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE readings_rest PARTITION OF readings DEFAULT;
CREATE TABLE events_rest (id bigint NOT NULL, at timestamptz NOT NULL, note text);
CREATE FUNCTION slug_of(title text) RETURNS text LANGUAGE sql AS $$ SELECT lower(title) $$;
CREATE MATERIALIZED VIEW post_counts AS SELECT author_id, count(*) AS posts FROM posts GROUP BY author_id;
CREATE UNIQUE INDEX post_counts_author_id_idx ON post_counts (author_id);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE people (id bigint PRIMARY KEY, mood mood, age integer);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN short_text AS text;
CREATE TABLE labels (id bigint PRIMARY KEY, label short_text, rank positive);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER posts_touch BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION touch();
CREATE SCHEMA old;
