SELECT conname
FROM   pg_catalog.pg_constraint
WHERE  conrelid = to_regclass('content_versions') AND conname = 'content_versions_site_id_fkey' AND NOT convalidated;
