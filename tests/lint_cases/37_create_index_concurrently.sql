-- expect: safe
-- CIC outside of a transaction
-- refit: transaction = false
CREATE INDEX CONCURRENTLY i1 ON orders (status);
