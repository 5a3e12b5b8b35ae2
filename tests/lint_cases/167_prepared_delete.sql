-- expect: flag
-- PREPARE and EXECUTE
PREPARE clean AS DELETE FROM orders WHERE status = 'old';
EXECUTE clean;
