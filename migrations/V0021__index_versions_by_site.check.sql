SELECT 'content_versions_site_id_idx is missing or invalid' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_index
    WHERE  indexrelid = to_regclass('content_versions_site_id_idx') AND indisvalid
);
