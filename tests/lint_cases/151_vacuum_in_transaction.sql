-- expect: flag
-- VACUUM in a transaction
VACUUM orders;
