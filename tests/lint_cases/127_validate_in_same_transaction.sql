-- expect: flag
-- CHECK NOT VALID and VALIDATE in one transaction
ALTER TABLE orders ADD CONSTRAINT c1 CHECK (amount > 0) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT c1;
