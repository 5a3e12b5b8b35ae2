-- expect: safe
-- UPDATE WHERE id IN (list)
UPDATE orders SET status = 'new' WHERE id IN (1, 2, 3);
