-- Version numbers count from 1 without a gap for each post and page.
SELECT content_type, content_id, count(*) AS versions, min(version_number) AS lowest, max(version_number) AS highest
FROM   content_versions
GROUP  BY content_type, content_id
HAVING min(version_number) <> 1 OR max(version_number) <> count(*);
