CREATE TABLE domain_sites (
    domain  text PRIMARY KEY,
    site_id bigint NOT NULL REFERENCES sites (id)
);

INSERT INTO domain_sites (domain, site_id)
SELECT c.domain, s.id
FROM   (SELECT domain FROM posts UNION SELECT domain FROM pages) c
JOIN   sites s ON s.domain = regexp_replace(regexp_replace(lower(c.domain), '^www\.', ''), ':[0-9]+$', '');
