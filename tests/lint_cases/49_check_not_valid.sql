-- expect: safe
-- CHECK NOT VALID
ALTER TABLE orders ADD CONSTRAINT c1 CHECK (amount > 0) NOT VALID;
