-- expect: safe
-- DROP INDEX CONCURRENTLY outside of a transaction
-- refit: transaction = false
DROP INDEX CONCURRENTLY IF EXISTS i1;
