SELECT 'content_versions.site_id may be missing in old rows' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint
    WHERE  conrelid = to_regclass('content_versions') AND conname = 'content_versions_site_present' AND convalidated
)
AND    NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute
    WHERE  attrelid = to_regclass('content_versions') AND attname = 'site_id' AND attnotnull
);
