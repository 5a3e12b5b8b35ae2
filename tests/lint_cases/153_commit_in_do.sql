-- expect: flag
-- COMMIT in a DO block of the migration's transaction
DO $$ BEGIN INSERT INTO regions VALUES ('eu', 'Europe'); COMMIT; END $$;
