-- expect: flag
-- SET SCHEMA
ALTER TABLE orders SET SCHEMA archive;
