ALTER TABLE content_versions DROP CONSTRAINT content_versions_site_present;
ALTER TABLE content_versions ADD CONSTRAINT content_versions_site_present CHECK (site_id IS NOT NULL) NOT VALID;
