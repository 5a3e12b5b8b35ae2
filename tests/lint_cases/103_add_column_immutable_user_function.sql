-- expect: safe
-- ADD COLUMN DEFAULT of an immutable function of the set
-- file: V1__function.sql
CREATE FUNCTION unset() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'unset' $$;
-- file: V2__column.sql
ALTER TABLE orders ADD COLUMN tok text DEFAULT unset();
