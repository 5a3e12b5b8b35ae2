-- expect: safe
-- Anything on a temporary table
CREATE TEMP TABLE todo AS SELECT id FROM orders WHERE id < 100;
CREATE INDEX ON todo (id);
UPDATE todo SET id = id + 1;
DELETE FROM todo;
DROP TABLE todo;
