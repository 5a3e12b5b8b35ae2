-- expect: flag
-- MERGE from a whole table
MERGE INTO orders o USING customers c ON c.id = o.customer_id WHEN MATCHED THEN UPDATE SET region = c.region;
