-- budget: versions_of_a_post { p95 = "250ms", runs = 20, parameters = "SELECT id FROM posts ORDER BY id DESC LIMIT 20" }
SELECT id, version_number, created_at FROM content_versions
WHERE  content_type = 'post' AND content_id = $1 ORDER BY version_number DESC LIMIT 20;

-- budget: versions_of_a_post_on_its_site { p95 = "250ms", runs = 20, parameters = "SELECT content_id, site_id FROM content_versions WHERE content_type = 'post' ORDER BY id DESC LIMIT 20" }
SELECT id, version_number, created_at FROM content_versions
WHERE  site_id = $2 AND content_type = 'post' AND content_id = $1 ORDER BY version_number DESC LIMIT 20;
