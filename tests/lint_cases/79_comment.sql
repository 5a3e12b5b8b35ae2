-- expect: safe
-- COMMENT ON
COMMENT ON COLUMN orders.status IS 'Where the order stands';
