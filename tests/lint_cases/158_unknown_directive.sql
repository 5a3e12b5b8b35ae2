-- expect: flag
-- A directive that there is not
-- refit: transacton = false
ALTER TABLE orders ADD COLUMN note text;
