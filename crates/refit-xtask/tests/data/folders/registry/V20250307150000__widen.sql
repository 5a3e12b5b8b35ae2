ALTER TABLE versions ALTER COLUMN size TYPE bigint;
ALTER TABLE versions ALTER COLUMN license TYPE varchar(100);

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname = 'version_notes') THEN
        CREATE TABLE version_notes (id bigint PRIMARY KEY, note text);
    END IF;


    RAISE NOTICE 'it''s there';
END
$$;
