-- expect: flag
-- SET NOT NULL w/ CHECK that is not validated
-- file: V1__add_check.sql
ALTER TABLE orders ADD CONSTRAINT nn CHECK (region IS NOT NULL) NOT VALID;
-- file: V2__set_not_null.sql
ALTER TABLE orders ALTER COLUMN region SET NOT NULL;
