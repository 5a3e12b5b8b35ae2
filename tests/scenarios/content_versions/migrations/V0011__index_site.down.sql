-- refit: transaction = false
DROP INDEX CONCURRENTLY content_versions_site_idx;
