-- expect: safe
-- FK NOT VALID, validated by a later migration
-- file: V1__add_fk.sql
ALTER TABLE orders ADD CONSTRAINT fk1 FOREIGN KEY (customer_id) REFERENCES customers (id) NOT VALID;
-- file: V2__validate_fk.sql
ALTER TABLE orders VALIDATE CONSTRAINT fk1;
