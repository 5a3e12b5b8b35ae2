-- refit: after = ["V0005"]
-- refit: phase = "contract"
ALTER TABLE content_versions ALTER COLUMN site_id SET NOT NULL;
ALTER TABLE content_versions DROP CONSTRAINT content_versions_site_present;
