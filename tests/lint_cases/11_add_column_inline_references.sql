-- expect: flag
-- ADD COLUMN inline REFERENCES
ALTER TABLE orders ADD COLUMN shop_id bigint REFERENCES shops (id);
