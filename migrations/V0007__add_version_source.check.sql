SELECT 'content_versions.source is missing' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute
    WHERE  attrelid = to_regclass('content_versions') AND attname = 'source' AND NOT attisdropped
);
