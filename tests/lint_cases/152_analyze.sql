-- expect: safe
-- ANALYZE
ANALYZE orders;
