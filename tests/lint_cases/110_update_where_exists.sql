-- expect: flag
-- UPDATE WHERE EXISTS
UPDATE orders o SET region = 'eu' WHERE EXISTS (SELECT FROM customers c WHERE c.id = o.customer_id AND c.region = 'eu');
