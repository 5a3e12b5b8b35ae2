ALTER TABLE content_versions DROP COLUMN site_id;
