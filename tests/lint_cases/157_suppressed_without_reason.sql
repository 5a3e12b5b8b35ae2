-- expect: flag
-- A suppression without a reason
-- refit: allow(unbatched-update)
UPDATE regions SET name = upper(name);
