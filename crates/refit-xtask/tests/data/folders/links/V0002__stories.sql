/* Stories and comments.
 * /* Nested, as one of us writes them. */
 */
CREATE TABLE stories (
    id          bigserial PRIMARY KEY,
    user_id     bigint NOT NULL REFERENCES users (id),
    url         varchar(250) DEFAULT '',
    title       varchar(150) NOT NULL,
    description text,
    short_id    varchar(6) NOT NULL,
    is_deleted  boolean NOT NULL DEFAULT false,
    upvotes     integer NOT NULL DEFAULT 1 CHECK (upvotes >= 0),
    downvotes   integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (short_id)
);

CREATE TABLE comments (
    id          bigserial PRIMARY KEY,
    story_id    bigint NOT NULL REFERENCES stories ON DELETE CASCADE,
    parent_id   bigint REFERENCES comments,
    user_id     bigint NOT NULL,
    body        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX comments_by_story ON comments (story_id, created_at DESC);
CREATE INDEX ON stories USING gin (title gin_trgm_ops);

INSERT INTO users (username, email) SELECT 'user' || n, 'user' || n || '@example.com' FROM generate_series(1, 40) AS n;
INSERT INTO stories (user_id, url, title, short_id)
    SELECT 1 + n % 40, 'https://example.com/' || n, 'Story ' || n, 's' || n FROM generate_series(1, 60) AS n;
INSERT INTO comments (story_id, user_id, body)
    SELECT 1 + n % 60, 1 + n % 40, E'it\'s \\ comment ' || n FROM generate_series(1, 90) AS n;
