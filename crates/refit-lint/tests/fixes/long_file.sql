-- Many hazards of one file: they are fixed together.
CREATE INDEX posts_a_idx ON posts (status);
CREATE INDEX posts_b_idx ON posts (score);
-- This one is safe.
ALTER TABLE people ADD COLUMN remark text;
DROP INDEX posts_author_id_idx;
ALTER TABLE posts ADD CONSTRAINT posts_score_check CHECK (score >= 0);
ALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;
UPDATE posts SET status = 'old' WHERE status = 'new';
CREATE INDEX ON posts_archive (status);
CREATE INDEX people_age_idx ON people (age); -- the last
