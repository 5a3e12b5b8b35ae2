-- What a site sees: its versions by their content, as the old release finds them, and by site_id.
-- check: sites_see_the_same_versions { timeout = "10min" }
SELECT cv.id, cv.site_id, coalesce(s.id, d.id) AS site_of_the_content
FROM   content_versions cv
CROSS  JOIN (SELECT min(id) AS id FROM sites WHERE is_default) d
LEFT   JOIN (
    SELECT 'post' AS content_type, id, domain FROM posts
    UNION  ALL
    SELECT 'page', id, domain FROM pages
) c ON c.content_type = cv.content_type AND c.id = cv.content_id
LEFT   JOIN sites s ON s.domain = regexp_replace(regexp_replace(lower(c.domain), '^www\.', ''), ':[0-9]+$', '')
WHERE  cv.site_id <> coalesce(s.id, d.id);
