ALTER TABLE refit.backfill
    ADD COLUMN relation_oid oid,
    ADD COLUMN schema_oid oid,
    ADD COLUMN targets oid[];
ALTER TABLE refit.backfill_range
    ADD COLUMN relation_oid oid;
COMMENT ON COLUMN refit.backfill.relation_oid IS 'The OID of that table: relation follows it when it, or its schema, gets another name; null where there was none.';
COMMENT ON COLUMN refit.backfill.schema_oid IS 'The OID of its schema: search_path follows that when it gets another name.';
COMMENT ON COLUMN refit.backfill.targets IS 'The OIDs of the tables that its statements named when it was begun, 0 for one that names none; null before.';
COMMENT ON COLUMN refit.backfill_range.relation_oid IS 'The OID of that table or partition.';
UPDATE refit.backfill AS job SET relation_oid = c.oid, schema_oid = n.oid
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE pg_catalog.format('%I.%I', n.nspname, c.relname) = job.relation;
UPDATE refit.backfill_range AS range SET relation_oid = c.oid
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE pg_catalog.format('%I.%I', n.nspname, c.relname) = range.relation;
