-- expect: flag
-- RENAME COLUMN
ALTER TABLE orders RENAME COLUMN status TO state;
