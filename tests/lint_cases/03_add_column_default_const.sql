-- expect: safe
-- ADD COLUMN DEFAULT constant
ALTER TABLE orders ADD COLUMN source text DEFAULT 'web';
