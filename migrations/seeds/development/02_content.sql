INSERT INTO posts (site_id, slug, title, body, excerpt, published_at)
SELECT s.id, p.slug, p.title, p.body, p.excerpt, p.published_at::timestamptz
FROM   (VALUES
           ('blog.example.org', 'hello', 'Hello, world', 'The first post of a new blog.', 'A first post', '2026-01-05 09:00Z'),
           ('blog.example.org', 'draft', 'Not ready yet', 'Lorem ipsum.', NULL, NULL),
           ('пример.example.org', 'privet', 'Привет, мир 🌍', 'Первая запись.', NULL, '2026-02-01 12:30Z')
       ) AS p (domain, slug, title, body, excerpt, published_at)
JOIN   sites s ON s.domain = p.domain
ORDER  BY p.published_at NULLS LAST
ON CONFLICT DO NOTHING;

INSERT INTO pages (site_id, path, title, body)
SELECT s.id, p.path, p.title, p.body
FROM   (VALUES
           ('www.example.org', '/', 'Welcome', 'The front page.'),
           ('www.example.org', '/imprint', 'Imprint', 'Who is responsible.')
       ) AS p (domain, path, title, body)
JOIN   sites s ON s.domain = p.domain
ORDER  BY p.path
ON CONFLICT DO NOTHING;

INSERT INTO content_versions (content_type, content_id, version_number, title, body, author)
SELECT 'post', p.id, 1, p.title, p.body, 'ada'
FROM   posts p
JOIN   sites s ON s.id = p.site_id AND s.domain IN ('blog.example.org', 'пример.example.org')
UNION ALL
SELECT 'page', g.id, 1, g.title, g.body, NULL
FROM   pages g
JOIN   sites s ON s.id = g.site_id AND s.domain = 'www.example.org'
ON CONFLICT DO NOTHING;
