ALTER TABLE content_versions DROP COLUMN source;
