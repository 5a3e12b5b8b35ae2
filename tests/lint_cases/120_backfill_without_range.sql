-- expect: flag
-- A backfill that does not use its bounds
-- refit: backfill = { table = "orders", key = ["id"], batch = 10000 }
UPDATE orders SET status = 'new' WHERE status IS NULL;
