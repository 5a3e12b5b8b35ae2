-- The reporting views read this table; they come back with the next migration run.
DROP VIEW IF EXISTS report_versions_by_day, report_orphaned_versions, report_site_content;

DROP TABLE content_versions;
