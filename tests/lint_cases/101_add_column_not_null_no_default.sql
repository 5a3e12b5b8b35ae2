-- expect: flag
-- ADD COLUMN NOT NULL without DEFAULT
ALTER TABLE orders ADD COLUMN shop text NOT NULL;
