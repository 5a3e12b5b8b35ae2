-- expect: flag
-- ADD COLUMN DEFAULT nextval()
ALTER TABLE orders ADD COLUMN n bigint DEFAULT nextval('orders_n_seq');
