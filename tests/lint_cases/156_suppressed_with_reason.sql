-- expect: safe
-- A finding that is suppressed with a reason
-- refit: allow(unbatched-update): 12 rows, static table
UPDATE regions SET name = upper(name);
