CREATE TABLE IF NOT EXISTS tags (
    id      serial PRIMARY KEY,
    tag     varchar(25) NOT NULL UNIQUE,
    weight  double precision DEFAULT 1.0
);
CREATE INDEX IF NOT EXISTS tags_weight ON tags (weight);
INSERT INTO tags (tag) VALUES ('rust'), ('sql'), ('it''s'), ('semi;colon') ON CONFLICT DO NOTHING;
CREATE TABLE taggings (
    story_id bigint NOT NULL REFERENCES stories,
    tag_id   integer NOT NULL REFERENCES tags,
    CONSTRAINT taggings_once UNIQUE (story_id, tag_id)
);
CREATE VIEW story_tags AS
    SELECT s.id, string_agg(t.tag, ',' ORDER BY t.tag) AS tags
    FROM stories s JOIN taggings g ON g.story_id = s.id JOIN tags t ON t.id = g.tag_id
    GROUP BY s.id;
