-- expect: flag
-- UPDATE inside of a function that the migration calls
CREATE FUNCTION fill() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE orders SET status = 'new'; END $$;
SELECT fill();
