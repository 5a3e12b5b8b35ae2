-- A constraint cannot be made unvalidated again: replace it by one that is not.
ALTER TABLE content_versions
    DROP CONSTRAINT content_versions_site_id_fkey,
    ADD CONSTRAINT content_versions_site_id_fkey FOREIGN KEY (site_id) REFERENCES sites (id) NOT VALID;
