-- refit: transaction = false
DROP INDEX CONCURRENTLY jobs_open;
