-- expect: safe
-- UPDATE WHERE id = constant
UPDATE orders SET status = 'new' WHERE id = 42;
