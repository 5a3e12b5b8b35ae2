-- Not for long.
SET LOCAL lock_timeout = '1s';
UPDATE posts SET status = 'new' WHERE status IS NULL;
CREATE INDEX posts_status_idx ON posts (status);
ALTER TABLE posts ALTER COLUMN status SET NOT NULL;
