CREATE TABLE refit.history (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schema_name text NOT NULL,
    relation    oid NOT NULL,
    registry    oid NOT NULL,
    began_at    timestamptz NOT NULL DEFAULT pg_catalog.now(),
    retired_at  timestamptz
);
CREATE UNIQUE INDEX history_current ON refit.history (schema_name) WHERE retired_at IS NULL;
COMMENT ON TABLE refit.history IS 'The histories whose state this schema holds; every other table says which of them a row belongs to.';
COMMENT ON COLUMN refit.history.id IS 'Identity of the history.';
COMMENT ON COLUMN refit.history.schema_name IS 'The schema of its table refinery_schema_history.';
COMMENT ON COLUMN refit.history.relation IS 'The OID of that table: a schema that was dropped and made again has another history.';
COMMENT ON COLUMN refit.history.registry IS 'The OID of this table when the row was written: where it differs, both were restored from a dump, and the name counts.';
COMMENT ON COLUMN refit.history.began_at IS 'When the first run on it began.';
COMMENT ON COLUMN refit.history.retired_at IS 'When its table was found to be gone; null for a history in use.';
ALTER TABLE refit.run
    ADD COLUMN IF NOT EXISTS undo_to bigint,
    ADD COLUMN history_id bigint REFERENCES refit.history;
COMMENT ON COLUMN refit.run.undo_to IS 'The version that the run rolled back to, 0 for none at all; null for a run that applied.';
COMMENT ON COLUMN refit.run.history_id IS 'The history that it ran on.';
ALTER TABLE refit.step
    ADD COLUMN statement_begun integer,
    ADD COLUMN leftovers oid[];
COMMENT ON COLUMN refit.step.statement_begun IS 'Outside a transaction: the number of the statement that was sent by itself and may have had its effect, counted as statements_done counts; null when none was.';
COMMENT ON COLUMN refit.step.leftovers IS 'Invalid indexes that existed before that statement was sent: not ours to drop; null where it may not be sent again, because it may have committed a part of its work.';
ALTER TABLE refit.repeatable
    ADD COLUMN history_id bigint REFERENCES refit.history,
    ADD COLUMN current boolean NOT NULL DEFAULT true,
    DROP CONSTRAINT repeatable_pkey;
CREATE UNIQUE INDEX repeatable_text ON refit.repeatable (history_id, name, checksum);
COMMENT ON TABLE refit.repeatable IS 'The texts of repeatable migrations that were applied.';
COMMENT ON COLUMN refit.repeatable.checksum IS 'The checksum of the text.';
COMMENT ON COLUMN refit.repeatable.history_id IS 'The history that it belongs to.';
COMMENT ON COLUMN refit.repeatable.current IS 'Whether it is the text that was applied last; the others were superseded by it.';
