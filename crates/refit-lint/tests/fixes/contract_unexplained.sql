-- refit: phase = "contract"
ALTER TABLE posts ADD CONSTRAINT posts_score_check CHECK (score >= 0);
UPDATE public.posts AS p SET legacy = a.name FROM authors a
WHERE -- of any author
    a.id = p.author_id;
ALTER TABLE posts DROP COLUMN legacy;
-- file: V2__explained.sql
-- refit: phase = "contract"
-- Nobody reads the archive since release 12.
DELETE FROM "posts_archive" WHERE true;
DELETE FROM posts_archive WHERE true; -- all of it
DROP TABLE posts_archive;
