-- A constraint cannot be made unvalidated again: replace it by one that is not.
ALTER TABLE content_versions
    DROP CONSTRAINT content_versions_source_known,
    ADD CONSTRAINT content_versions_source_known CHECK (source IN ('editor', 'api', 'import')) NOT VALID;
