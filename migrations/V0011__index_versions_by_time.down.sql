-- refit: transaction = false
DROP INDEX CONCURRENTLY content_versions_created_at_idx;
