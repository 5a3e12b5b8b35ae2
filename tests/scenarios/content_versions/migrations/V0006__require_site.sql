-- refit: after = ["V0005"]
-- refit: phase = "contract"
ALTER TABLE content_versions ADD CONSTRAINT content_versions_site_present CHECK (site_id IS NOT NULL) NOT VALID;
