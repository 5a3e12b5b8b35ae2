-- expect: safe
-- INSERT SELECT of one row by key
INSERT INTO orders_v2 (id, status) SELECT id, status FROM orders WHERE id = 7;
