SELECT 'posts_site_id_published_at_idx is missing or invalid' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_index
    WHERE  indexrelid = to_regclass('posts_site_id_published_at_idx') AND indisvalid
);
