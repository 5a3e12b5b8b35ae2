-- A constraint cannot be made unvalidated again: replace it by one that is not.
ALTER TABLE content_versions
    DROP CONSTRAINT content_versions_site_present,
    ADD CONSTRAINT content_versions_site_present CHECK (site_id IS NOT NULL) NOT VALID;
