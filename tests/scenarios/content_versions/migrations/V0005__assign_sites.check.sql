-- check: every_version_has_a_site { timeout = "10min" }
SELECT id FROM content_versions WHERE site_id IS NULL OR locale IS NULL;

-- check: every_site_exists { timeout = "10min" }
SELECT cv.id, cv.site_id FROM content_versions cv WHERE NOT EXISTS (SELECT FROM sites s WHERE s.id = cv.site_id);

-- check: numbers_are_contiguous { timeout = "10min" }
SELECT site_id, content_type, content_id, count(*) AS versions
FROM   content_versions
GROUP  BY site_id, content_type, content_id
HAVING min(version_number) <> 1 OR max(version_number) <> count(*);

-- check: orphans { severity = "warn", show = 10000, timeout = "10min" }
SELECT cv.id, cv.content_type, cv.content_id, cv.site_id
FROM   content_versions cv
WHERE  NOT EXISTS (SELECT FROM posts p WHERE cv.content_type = 'post' AND p.id = cv.content_id)
AND    NOT EXISTS (SELECT FROM pages g WHERE cv.content_type = 'page' AND g.id = cv.content_id);

-- check: rows_by_rule { show = 10, timeout = "10min" }
SELECT CASE
           WHEN c.id IS NULL THEN 'default site, the content is gone'
           WHEN s.id IS NULL THEN 'default site, no site has the domain'
           ELSE 'site of the ' || cv.content_type
       END AS rule,
       count(*) AS versions, 'pass' AS status
FROM   content_versions cv
LEFT   JOIN (
    SELECT 'post' AS content_type, id, domain FROM posts
    UNION  ALL
    SELECT 'page', id, domain FROM pages
) c ON c.content_type = cv.content_type AND c.id = cv.content_id
LEFT   JOIN sites s ON s.domain = regexp_replace(regexp_replace(lower(c.domain), '^www\.', ''), ':[0-9]+$', '')
GROUP  BY 1
ORDER  BY 2 DESC;
