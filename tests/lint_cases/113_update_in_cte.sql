-- expect: flag
-- CTE-wrapped UPDATE
WITH u AS (UPDATE orders SET status = 'new' WHERE status IS NULL RETURNING id) SELECT count(*) FROM u;
