-- expect: flag
-- ALTER TYPE of a column nobody knows
ALTER TABLE orders ALTER COLUMN total TYPE bigint;
