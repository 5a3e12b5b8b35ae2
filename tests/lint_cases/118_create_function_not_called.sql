-- expect: safe
-- CREATE FUNCTION with an UPDATE that nobody calls
CREATE FUNCTION fill() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE orders SET status = 'new'; END $$;
