-- refit: backfill = { table = "content_versions", key = ["id"], undo = ["site_id"] }
-- refit: phase = "migrate"
-- The site of the post or page; the default site, or else the first, where the content is gone.
UPDATE content_versions cv
SET    site_id = coalesce(
           CASE cv.content_type
               WHEN 'post' THEN (SELECT p.site_id FROM posts p WHERE p.id = cv.content_id)
               ELSE             (SELECT g.site_id FROM pages g WHERE g.id = cv.content_id)
           END,
           (SELECT s.id FROM sites s ORDER BY s.is_default DESC, s.id LIMIT 1))
WHERE  cv.id > $1 AND cv.id <= $2 AND cv.id % $3 = $4 AND cv.site_id IS NULL;
