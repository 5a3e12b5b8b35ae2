-- expect: flag
-- FK without NOT VALID
ALTER TABLE orders ADD CONSTRAINT fk1 FOREIGN KEY (customer_id) REFERENCES customers (id);
