-- expect: flag
-- ADD COLUMN DEFAULT random()
ALTER TABLE orders ADD COLUMN bucket double precision DEFAULT random();
