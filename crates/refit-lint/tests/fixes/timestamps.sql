-- file: V20261231235959__check.sql
ALTER TABLE posts ADD CONSTRAINT posts_score_check CHECK (score >= 0);
-- file: V20270101000000__new_year.sql
SELECT 1;
