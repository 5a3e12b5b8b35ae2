-- expect: safe
-- UPDATE as a backfill
-- refit: backfill = { table = "orders", key = ["id"], batch = 10000 }
UPDATE orders SET status = 'new' WHERE id > $1 AND id <= $2 AND status IS NULL;
