-- The rows of the fixture, for the proof test. `status` is NULL in one row of ten; nothing else is NULL. `code` and `slug` are
-- unique, every `author_id` and `editor_id` has its author.
INSERT INTO authors (name, email)
SELECT 'author ' || i, 'author-' || i || '@example.org' FROM generate_series(1, 10000) i;
INSERT INTO posts (author_id, editor_id, title, status, score, price, code, slug, published_at, legacy)
SELECT 1 + i % 10000, 1 + i % 100, 'post ' || i, CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN 'draft' ELSE 'published' END, i % 100,
       i % 1000 + 0.5, 'c' || i, 'post-' || i, timestamptz '2025-01-01' + i * interval '1 minute', 'legacy ' || i % 7
FROM generate_series(1, 200000) i;
INSERT INTO posts_archive SELECT i, 'old post ' || i, 'archived' FROM generate_series(1000001, 1005000) i;
INSERT INTO events_2025 SELECT i, timestamptz '2025-01-02' + i * interval '1 minute', 'note' FROM generate_series(1, 5000) i;
INSERT INTO events_2026 SELECT i, timestamptz '2026-01-02' + i * interval '1 minute', 'note' FROM generate_series(5001, 10000) i;
INSERT INTO readings SELECT i, timestamptz '2025-01-02' + i * interval '1 minute' FROM generate_series(1, 5000) i;
INSERT INTO events_rest SELECT i, timestamptz '2024-01-02' + i * interval '1 minute', 'note' FROM generate_series(1, 5000) i;
INSERT INTO people SELECT i, 'good', 18 + i % 60 FROM generate_series(1, 5000) i;
INSERT INTO labels SELECT i, 'label ' || i, i FROM generate_series(1, 5000) i;
REFRESH MATERIALIZED VIEW post_counts;
-- An autovacuum in the middle of an example would be seen as its lock.
ALTER TABLE authors SET (autovacuum_enabled = false);
ALTER TABLE posts SET (autovacuum_enabled = false);
ALTER TABLE posts_archive SET (autovacuum_enabled = false);
ALTER TABLE events_2025 SET (autovacuum_enabled = false);
ALTER TABLE events_2026 SET (autovacuum_enabled = false);
ALTER TABLE readings_rest SET (autovacuum_enabled = false);
ALTER TABLE events_rest SET (autovacuum_enabled = false);
ALTER TABLE people SET (autovacuum_enabled = false);
ALTER TABLE labels SET (autovacuum_enabled = false);
