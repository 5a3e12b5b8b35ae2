-- expect: safe
-- SET NOT NULL with a CHECK that an earlier migration validated
-- file: V1__add_check.sql
ALTER TABLE orders ADD CONSTRAINT region_nn CHECK (region IS NOT NULL) NOT VALID;
-- file: V2__validate.sql
ALTER TABLE orders VALIDATE CONSTRAINT region_nn;
-- file: V3__set_not_null.sql
ALTER TABLE orders ALTER COLUMN region SET NOT NULL;
ALTER TABLE orders DROP CONSTRAINT region_nn;
