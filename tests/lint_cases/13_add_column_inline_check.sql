-- expect: flag
-- ADD COLUMN inline CHECK
ALTER TABLE orders ADD COLUMN stars integer DEFAULT 5 CHECK (stars BETWEEN 1 AND 5);
