-- expect: flag
-- EXECUTE of a string nobody can read
DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables LOOP EXECUTE format('ALTER TABLE %I ADD COLUMN x int', t); END LOOP; END $$;
