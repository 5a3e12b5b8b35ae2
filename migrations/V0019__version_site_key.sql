-- refit: after = ["V0015"]
-- refit: phase = "contract"
-- NOT VALID: taken in a moment; the rows are looked at by the next migration.
ALTER TABLE content_versions
    ADD CONSTRAINT content_versions_site_id_fkey FOREIGN KEY (site_id) REFERENCES sites (id) NOT VALID;
