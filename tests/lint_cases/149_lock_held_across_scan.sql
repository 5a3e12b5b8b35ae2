-- expect: flag
-- A lock held while another statement is slow
ALTER TABLE orders ADD COLUMN a text;
UPDATE orders SET a = 'x' WHERE status IS NULL;
