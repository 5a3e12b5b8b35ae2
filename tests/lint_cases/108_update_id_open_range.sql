-- expect: flag
-- UPDATE WHERE id > …, open at one end
UPDATE orders SET status = 'new' WHERE id > 1000;
