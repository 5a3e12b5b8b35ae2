-- expect: flag
-- A column that nothing fills is closed.
-- file: V1__add.sql
ALTER TABLE orders ADD COLUMN score int;
-- file: V2__close.sql
ALTER TABLE orders ALTER COLUMN score SET NOT NULL;
