ALTER TABLE refit.backfill
    ADD COLUMN history_id bigint REFERENCES refit.history,
    ADD COLUMN search_path text,
    ADD COLUMN relation text;
DROP INDEX refit.backfill_version;
CREATE INDEX backfill_version ON refit.backfill (history_id, version);
COMMENT ON COLUMN refit.backfill.history_id IS 'The history that its migration is recorded in.';
COMMENT ON COLUMN refit.backfill.search_path IS 'The search path under which its statement runs, whoever works on it; null for jobs that an older release registered.';
COMMENT ON COLUMN refit.backfill.relation IS 'Its table as it was found when the job was registered, qualified and quoted; null where there was none.';
