-- expect: flag
-- A column that nothing fills is closed.
-- file: V1__add.sql
ALTER TABLE users ADD COLUMN score int;
-- file: V2__close.sql
ALTER TABLE users ALTER COLUMN score SET NOT NULL;
