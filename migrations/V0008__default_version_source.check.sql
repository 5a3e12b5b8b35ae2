SELECT 'content_versions.source has no default' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute
    WHERE  attrelid = to_regclass('content_versions') AND attname = 'source' AND atthasdef
);
