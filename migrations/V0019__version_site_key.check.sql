SELECT 'content_versions_site_id_fkey is missing' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint
    WHERE  conrelid = to_regclass('content_versions') AND conname = 'content_versions_site_id_fkey'
);
