CREATE TEMP TABLE wanted (id bigint);
UPDATE posts SET status = 'x' WHERE author_id IN (SELECT id FROM wanted);
-- file: V2__self.sql
UPDATE posts p SET score = (SELECT max(score) FROM posts);
-- file: V3__no_key.sql
UPDATE events_2026 SET note = '';
-- file: V4__body.sql
DO $$ BEGIN UPDATE posts SET status = 'x'; END $$;
-- file: V5__with.sql
WITH old AS (DELETE FROM posts RETURNING id) SELECT count(*) FROM old;
-- file: V6__broken.sql
CREATE INDEX ON posts (status);
SELEC 1;
-- file: V7__partitioned.sql
CREATE INDEX events_note_idx ON events (note);
-- file: V9__rollback.sql
BEGIN;
ALTER TABLE posts ADD COLUMN note text;
ROLLBACK;
-- file: V10__exclude.sql
ALTER TABLE people ADD CONSTRAINT people_age_excl EXCLUDE (age WITH =);
-- file: V11__drop.sql
ALTER TABLE posts DROP COLUMN legacy;
-- file: R__view.sql
DROP INDEX posts_author_id_idx;
-- file: R__views.sql
ALTER TABLE people ADD CHECK (age > 0);
