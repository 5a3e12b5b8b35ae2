-- Two things.
BEGIN;
-- One.
ALTER TABLE posts ADD COLUMN note text;
COMMIT;

BEGIN;
-- Two.
ALTER TABLE authors ADD COLUMN note text;
COMMIT;
-- Done.
