-- expect: safe
-- DELETE WHERE id = constant
DELETE FROM orders WHERE id = 42;
