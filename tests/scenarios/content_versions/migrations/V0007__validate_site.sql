-- refit: after = ["V0005"]
-- refit: phase = "contract"
ALTER TABLE content_versions VALIDATE CONSTRAINT content_versions_site_present;
