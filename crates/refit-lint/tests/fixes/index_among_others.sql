-- file: V0010__index_status.sql
-- Finds drafts.
ALTER TABLE posts ADD COLUMN note text;

-- For the list of drafts.
create unique index if not exists posts_slug_idx on posts (slug) where status = 'draft';
COMMENT ON COLUMN posts.note IS 'what editors say';
-- file: V0011__later.sql
-- refit: after = ["V0010"]
-- refit: depends = ["V0010__index_status"]
ALTER TABLE posts_archive ADD COLUMN note text;
-- file: V0012__last.sql
-- refit: depends = ["V0011"]
SELECT 1;
-- file: V0010__index_status.down.sql
DROP INDEX posts_slug_idx;
-- file: V0010__index_status.check.sql
SELECT 1 WHERE false;
-- file: V0011__later.md
Why.
