-- expect: flag
-- ADD COLUMN DEFAULT clock_timestamp()
ALTER TABLE orders ADD COLUMN seen_at timestamptz DEFAULT clock_timestamp();
