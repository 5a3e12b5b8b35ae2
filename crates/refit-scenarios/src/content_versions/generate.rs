//! Rows in the old shape, as a system that is years old has them. The same number of rows gives the same rows.

use refit::Connection;

/// Twelve sites; content of domains in several notations, of domains without a site, and of none; versions of it in the order in
/// which they were written, and versions whose content is gone, or was never recorded.
///
/// `{rows}` is the number of versions.
const FILL: &str = "
INSERT INTO sites (domain, locale, is_default)
SELECT 'site-' || i || '.example', (ARRAY['en', 'de', 'fr'])[1 + i % 3], i = 1 FROM generate_series(1, 12) AS i;

CREATE FUNCTION pg_temp.pick(id bigint, seed bigint, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN abs(hashint8extended(id, seed) % n);

CREATE FUNCTION pg_temp.domain(id bigint, seed bigint) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE pg_temp.pick(id, seed, 20)
    WHEN 0 THEN NULL
    WHEN 1 THEN 'gone-' || pg_temp.pick(id, seed + 1, 5) || '.example'
    WHEN 2 THEN 'WWW.Site-' || 1 + pg_temp.pick(id, seed + 1, 12) || '.example'
    WHEN 3 THEN 'site-' || 1 + pg_temp.pick(id, seed + 1, 12) || '.example:8080'
    ELSE 'site-' || 1 + pg_temp.pick(id, seed + 1, 12) || '.example'
END;

INSERT INTO posts (domain, locale, title)
SELECT pg_temp.domain(i, 1), CASE pg_temp.pick(i, 3, 4) WHEN 0 THEN 'fr' WHEN 1 THEN 'pt' END, 'Post ' || i
FROM   generate_series(1, {rows}::bigint / 10) AS i;

INSERT INTO pages (domain, locale, title)
SELECT pg_temp.domain(i, 11), CASE pg_temp.pick(i, 13, 4) WHEN 0 THEN 'en' END, 'Page ' || i
FROM   generate_series(1, {rows}::bigint / 50) AS i;

WITH contents AS (
    SELECT 'post' AS type, id, 1 + pg_temp.pick(id, 21, 17) AS versions FROM posts
    UNION ALL SELECT 'page', id, 1 + pg_temp.pick(id, 22, 17) FROM pages
    UNION ALL SELECT 'post', {rows} + i, 1 + pg_temp.pick(i, 23, 3) FROM generate_series(1, 2 + {rows}::bigint / 5000) AS i
    UNION ALL SELECT 'media', i, 2 FROM generate_series(1, 2 + {rows}::bigint / 5000) AS i
    UNION ALL SELECT 'post', NULL, 3
)
INSERT INTO content_versions (content_id, content_type, version_number, locale, body, created_at)
SELECT c.id, c.type, v,
       (ARRAY[NULL, 'EN', 'en', 'de_DE', 'DE', 'x-default'])[1 + pg_temp.pick(coalesce(c.id, 0), 31 + v, 6)],
       repeat('Lorem ipsum dolor sit amet. ', (1 + pg_temp.pick(coalesce(c.id, 0), 41 + v, 6))::int),
       timestamptz '2024-01-01' + make_interval(
           mins => coalesce(pg_temp.pick(c.id, 51, 500000), 0)::int, hours => v::int)
FROM   contents c, generate_series(1, c.versions) AS v
ORDER  BY 6, c.type, c.id, v
LIMIT  {rows};
";

/// Fills the tables of the old release.
pub(super) async fn fill(client: &Connection, rows: u64) -> anyhow::Result<()> {
    client.batch_execute(&FILL.replace("{rows}", &rows.to_string())).await?;
    for table in ["sites", "posts", "pages", "content_versions"] {
        client.batch_execute(&format!("VACUUM (ANALYZE) {table}")).await?;
    }
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}
