-- What the editors' reports read. Repeatable: runs again whenever this file changes, so each statement replaces what
-- an earlier form of the file left. Only columns that every release since V0006 knows are used.
CREATE OR REPLACE VIEW report_versions_by_day AS
SELECT date_trunc('day', created_at, 'UTC') AS day,
       content_type,
       count(*)                             AS versions,
       count(DISTINCT author)               AS authors
FROM   content_versions
GROUP  BY 1, 2;

CREATE OR REPLACE VIEW report_orphaned_versions AS
SELECT v.id, v.content_type, v.content_id, v.version_number, v.created_at
FROM   content_versions v
WHERE  NOT CASE v.content_type
           WHEN 'post' THEN EXISTS (SELECT FROM posts p WHERE p.id = v.content_id)
           ELSE             EXISTS (SELECT FROM pages p WHERE p.id = v.content_id)
       END;

CREATE OR REPLACE VIEW report_site_content AS
SELECT s.id AS site_id,
       s.domain,
       (SELECT count(*) FROM posts p WHERE p.site_id = s.id)                                AS posts,
       (SELECT count(*) FROM posts p WHERE p.site_id = s.id AND p.published_at IS NOT NULL) AS published_posts,
       (SELECT count(*) FROM pages g WHERE g.site_id = s.id)                                AS pages
FROM   sites s;
