-- expect: flag
-- REINDEX TABLE
REINDEX TABLE orders;
