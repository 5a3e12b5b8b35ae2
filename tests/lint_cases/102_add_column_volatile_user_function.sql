-- expect: flag
-- ADD COLUMN DEFAULT of a volatile function of the set
-- file: V1__function.sql
CREATE FUNCTION token() RETURNS text LANGUAGE sql AS $$ SELECT md5(random()::text) $$;
-- file: V2__column.sql
ALTER TABLE orders ADD COLUMN tok text DEFAULT token();
