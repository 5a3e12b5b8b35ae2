-- expect: safe
-- ADD COLUMN, nullable
ALTER TABLE orders ADD COLUMN note text;
