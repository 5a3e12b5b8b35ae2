-- refit: transaction = false
-- One by one.
CREATE INDEX posts_status_idx ON posts (status);
ALTER TABLE posts ADD CONSTRAINT posts_score_check CHECK (score >= 0);
DROP INDEX IF EXISTS posts_author_id_idx, posts_status_idx RESTRICT;
DELETE FROM posts_archive WHERE status = 'archived';
SELECT 1
