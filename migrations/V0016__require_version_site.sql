-- refit: after = ["V0015"]
-- refit: phase = "contract"
-- NOT VALID: new rows are checked from now on, old ones by the next migration, without a lock that stops traffic.
ALTER TABLE content_versions
    ADD CONSTRAINT content_versions_site_present CHECK (site_id IS NOT NULL) NOT VALID;
