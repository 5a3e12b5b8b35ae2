-- expect: flag
-- ADD UNIQUE
ALTER TABLE orders ADD CONSTRAINT u1 UNIQUE (code);
