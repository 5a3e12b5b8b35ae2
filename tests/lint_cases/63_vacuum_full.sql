-- expect: flag
-- VACUUM FULL
-- refit: transaction = false
VACUUM FULL orders;
