-- Nobody asks for so old a day.
ALTER TABLE stats.downloads DETACH PARTITION stats.downloads_2025;
CREATE TABLE stats.downloads_2027 (LIKE stats.downloads INCLUDING ALL);
ALTER TABLE stats.downloads ATTACH PARTITION stats.downloads_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
