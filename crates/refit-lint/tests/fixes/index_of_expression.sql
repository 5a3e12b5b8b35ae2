CREATE INDEX ON posts (lower(slug));
