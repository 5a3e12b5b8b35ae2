COMMENT ON TABLE content_versions IS 'every saved state of a post or a page, also of deleted ones';

COMMENT ON COLUMN content_versions.source IS
    'editor, api or import; NULL for versions saved before this was recorded';
