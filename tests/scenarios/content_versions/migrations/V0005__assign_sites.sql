-- refit: backfill = { table = "content_versions", key = ["id"], batch = 10000, workers = 2, undo = ["site_id", "locale"], remaining = "site_id IS NULL" }
-- refit: phase = "migrate"
-- The site of the post or page by its domain, else the default site; the locale of the content, else that of the site.
UPDATE content_versions cv
SET    (site_id, locale) = (
    SELECT s.id, coalesce(p.locale, g.locale, s.locale)
    FROM   (SELECT) one
    LEFT   JOIN posts p ON cv.content_type = 'post' AND p.id = cv.content_id
    LEFT   JOIN pages g ON cv.content_type = 'page' AND g.id = cv.content_id
    LEFT   JOIN domain_sites m ON m.domain = coalesce(p.domain, g.domain)
    JOIN   sites s ON s.id = coalesce(m.site_id, (SELECT d.id FROM sites d WHERE d.is_default)))
WHERE  cv.id > $1 AND cv.id <= $2 AND cv.id % $3 = $4 AND cv.site_id IS NULL;
