-- expect: flag
-- ADD COLUMN serial
ALTER TABLE orders ADD COLUMN seq serial;
