COMMENT ON COLUMN content_versions.source IS NULL;

COMMENT ON TABLE content_versions IS NULL;
