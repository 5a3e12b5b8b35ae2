-- expect: flag
-- SET NOT NULL w/ CHECK that does not imply it
-- file: V1__add_check.sql
ALTER TABLE orders ADD CONSTRAINT nn CHECK (region IS NOT NULL OR status IS NOT NULL) NOT VALID;
-- file: V2__validate.sql
ALTER TABLE orders VALIDATE CONSTRAINT nn;
-- file: V3__set_not_null.sql
ALTER TABLE orders ALTER COLUMN region SET NOT NULL;
