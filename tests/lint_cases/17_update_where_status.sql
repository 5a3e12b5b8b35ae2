-- expect: flag
-- UPDATE WHERE on a column that is no key
UPDATE orders SET status = 'new' WHERE status = 'old';
