-- expect: flag
-- ADD COLUMN of a domain with CHECK
-- file: V1__domain.sql
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
-- file: V2__column.sql
ALTER TABLE orders ADD COLUMN qty positive;
