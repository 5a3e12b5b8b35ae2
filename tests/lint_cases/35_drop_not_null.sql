-- expect: safe
-- DROP NOT NULL
ALTER TABLE orders ALTER COLUMN region DROP NOT NULL;
