-- Seeds may run any number of times.
INSERT INTO sites (domain, name, is_default) VALUES
    ('www.example.org', 'Example', true),
    ('blog.example.org', 'The Example Blog', false),
    ('пример.example.org', 'Пример', false)
ON CONFLICT DO NOTHING;
