-- expect: flag
-- A statement that no transaction takes
ALTER SYSTEM SET work_mem = '64MB';
