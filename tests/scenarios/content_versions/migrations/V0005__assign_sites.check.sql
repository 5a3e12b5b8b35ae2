-- check: every_version_has_a_site { timeout = "10min" }
SELECT id FROM content_versions WHERE site_id IS NULL OR locale IS NULL;

-- check: every_site_exists { timeout = "10min" }
SELECT cv.id, cv.site_id FROM content_versions cv WHERE NOT EXISTS (SELECT FROM sites s WHERE s.id = cv.site_id);

-- check: numbers_are_contiguous { timeout = "10min" }
SELECT site_id, content_type, content_id, count(*) AS versions
FROM   content_versions
GROUP  BY site_id, content_type, content_id
HAVING min(version_number) <> 1 OR max(version_number) <> count(*);

-- check: orphans { severity = "warn", timeout = "10min" }
SELECT cv.id, cv.content_type, cv.content_id, cv.site_id
FROM   content_versions cv
WHERE  NOT EXISTS (SELECT FROM posts p WHERE cv.content_type = 'post' AND p.id = cv.content_id)
AND    NOT EXISTS (SELECT FROM pages g WHERE cv.content_type = 'page' AND g.id = cv.content_id);
