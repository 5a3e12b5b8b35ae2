SELECT id FROM content_versions WHERE site_id IS NULL LIMIT 1;
