SELECT 'content_versions.source has no description' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute
    WHERE  attrelid = to_regclass('content_versions') AND attname = 'source'
    AND    col_description(attrelid, attnum) IS NOT NULL
);
