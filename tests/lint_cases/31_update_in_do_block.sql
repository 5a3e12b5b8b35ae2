-- expect: flag
-- UPDATE inside DO
DO $$ BEGIN UPDATE orders SET status = 'new' WHERE status IS NULL; END $$;
