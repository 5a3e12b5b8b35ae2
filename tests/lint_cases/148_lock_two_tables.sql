-- expect: flag
-- A lock held while a second table is locked
ALTER TABLE orders ADD COLUMN a text;
ALTER TABLE customers ADD COLUMN a text;
