-- expect: flag
-- EXPLAIN ANALYZE executes what it explains
EXPLAIN (ANALYZE) DELETE FROM orders WHERE status = 'old';
