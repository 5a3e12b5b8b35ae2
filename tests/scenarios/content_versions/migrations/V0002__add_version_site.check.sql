-- check: one_default_site { when = "before" }
SELECT 'there must be exactly one default site' AS problem, count(*) FILTER (WHERE is_default) AS default_sites
FROM   sites
HAVING count(*) FILTER (WHERE is_default) <> 1;

-- check: domains_without_a_site { when = "before", severity = "warn" }
SELECT c.domain, count(*) AS contents
FROM   (SELECT domain FROM posts UNION ALL SELECT domain FROM pages) c
WHERE  NOT EXISTS (
    SELECT FROM sites s
    WHERE  s.domain = regexp_replace(regexp_replace(lower(c.domain), '^www\.', ''), ':[0-9]+$', '')
)
GROUP  BY c.domain;
