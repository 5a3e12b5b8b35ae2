-- Users and their sessions.
--
-- Names are unique without regard to case; the first users were invited by nobody.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE users (
    id          bigserial PRIMARY KEY,
    username    varchar(50) NOT NULL, -- as shown
    email       varchar(100),
    about       text,
    karma       integer DEFAULT 0 NOT NULL,
    is_admin    boolean DEFAULT false NOT NULL,
    created_at  timestamp NOT NULL DEFAULT now(), /* no zone: always UTC */
    settings    jsonb DEFAULT '{"theme": "plain; -- not a comment"}'
);

-- One user a name.
CREATE UNIQUE INDEX users_username_lower ON users (lower(username));
CREATE INDEX ON users (email);
CREATE INDEX ON users (lower(email), created_at);

COMMENT ON TABLE users IS 'Who may post; it''s public.';
