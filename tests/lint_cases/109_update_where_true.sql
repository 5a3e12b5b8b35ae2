-- expect: flag
-- UPDATE WHERE true
UPDATE orders SET status = 'new' WHERE true;
