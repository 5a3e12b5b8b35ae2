-- expect: safe
-- ADD COLUMN DEFAULT now(): one value for the statement
ALTER TABLE orders ADD COLUMN seen_at timestamptz DEFAULT now();
