ALTER TABLE refit.run
    ADD COLUMN undo_to bigint;
COMMENT ON COLUMN refit.run.undo_to IS 'The version that the run went back to, 0 for none at all; null for a run that applied.';
