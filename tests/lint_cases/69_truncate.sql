-- expect: flag
-- TRUNCATE
TRUNCATE orders;
