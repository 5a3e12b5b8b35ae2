-- expect: safe
-- REINDEX CONCURRENTLY outside of a transaction
-- refit: transaction = false
REINDEX INDEX CONCURRENTLY i1;
