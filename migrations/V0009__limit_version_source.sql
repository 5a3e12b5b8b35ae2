-- NOT VALID: new rows are checked from now on, old ones by the next migration, without a lock that stops traffic.
ALTER TABLE content_versions
    ADD CONSTRAINT content_versions_source_known CHECK (source IN ('editor', 'api', 'import')) NOT VALID;
