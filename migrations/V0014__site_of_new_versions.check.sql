SELECT 'content_versions_site is missing' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_trigger
    WHERE  tgrelid = to_regclass('content_versions') AND tgname = 'content_versions_site' AND tgenabled = 'O'
);
