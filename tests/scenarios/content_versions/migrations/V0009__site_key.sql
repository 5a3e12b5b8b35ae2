-- refit: after = ["V0005"]
-- refit: phase = "contract"
ALTER TABLE content_versions ADD CONSTRAINT content_versions_site_fkey FOREIGN KEY (site_id) REFERENCES sites (id) NOT VALID;
