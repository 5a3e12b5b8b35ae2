-- expect: safe
-- UPDATE WHERE id IN (SELECT … LIMIT)
UPDATE orders SET status = 'new' WHERE id IN (SELECT id FROM orders WHERE status IS NULL ORDER BY id LIMIT 500);
