-- refit: transaction = false
DROP INDEX CONCURRENTLY posts_site_id_published_at_idx;
