-- expect: flag
-- UPDATE no WHERE
UPDATE orders SET status = 'new';
