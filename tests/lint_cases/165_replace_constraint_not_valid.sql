-- expect: safe
-- A CHECK replaced by a NOT VALID one
ALTER TABLE orders DROP CONSTRAINT c1, ADD CONSTRAINT c1 CHECK (amount >= 0) NOT VALID;
