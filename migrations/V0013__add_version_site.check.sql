SELECT 'content_versions.site_id is missing' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute
    WHERE  attrelid = to_regclass('content_versions') AND attname = 'site_id' AND NOT attisdropped
);
