-- refit: transaction = false
-- The front page lists a site's newest published posts.
CREATE INDEX CONCURRENTLY posts_site_id_published_at_idx
    ON posts (site_id, published_at DESC)
    WHERE published_at IS NOT NULL;
