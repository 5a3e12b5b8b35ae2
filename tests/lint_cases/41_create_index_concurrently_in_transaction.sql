-- expect: flag
-- CIC in the migration's own transaction
CREATE INDEX CONCURRENTLY i1 ON orders (status);
