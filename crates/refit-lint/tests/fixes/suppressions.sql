-- refit: allow(lock-held): both are small
-- refit: allow(unbatched-update): 12 rows
-- refit: phase = "migrate"
SELECT 1;
-- refit: allow(index-not-concurrent): nobody writes at night
CREATE INDEX posts_status_idx ON posts (status);
