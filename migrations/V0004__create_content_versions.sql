-- Every saved state of a post or a page. There is no foreign key on content_id on purpose: it points to one of two
-- tables, and the history of a deleted post is kept. Imported versions may lack a title or an author.
CREATE TABLE content_versions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content_id     bigint NOT NULL,
    content_type   text NOT NULL,
    version_number integer NOT NULL,
    title          text,
    body           text NOT NULL,
    author         text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT content_versions_type_known CHECK (content_type IN ('post', 'page')),
    CONSTRAINT content_versions_number_positive CHECK (version_number > 0),
    CONSTRAINT content_versions_content_number_key UNIQUE (content_type, content_id, version_number)
);
