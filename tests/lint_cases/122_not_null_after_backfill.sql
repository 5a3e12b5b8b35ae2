-- expect: safe
-- VALIDATE gated by the backfill
-- file: V1__add.sql
ALTER TABLE orders ADD COLUMN shop text;
-- file: V2__fill.sql
-- refit: backfill = { table = "orders", key = ["id"], batch = 10000 }
UPDATE orders SET shop = 'main' WHERE id > $1 AND id <= $2 AND shop IS NULL;
-- file: V3__check.sql
ALTER TABLE orders ADD CONSTRAINT shop_nn CHECK (shop IS NOT NULL) NOT VALID;
-- file: V4__validate.sql
-- refit: after = ["V2"]
ALTER TABLE orders VALIDATE CONSTRAINT shop_nn;
