ALTER TABLE refit.run
    ADD COLUMN release text,
    ADD COLUMN waited double precision,
    ADD COLUMN held jsonb,
    ADD COLUMN warnings jsonb;
COMMENT ON COLUMN refit.run.release IS 'The release of the program that ran it, as the program names it.';
COMMENT ON COLUMN refit.run.waited IS 'How long it waited for another run, in seconds.';
COMMENT ON COLUMN refit.run.held IS 'The migrations that it held back: an array of objects with version, stem, gate and reason; null where there were none.';
COMMENT ON COLUMN refit.run.warnings IS 'Its warnings: an array of texts; null where there were none.';
ALTER TABLE refit.step
    ADD COLUMN file text,
    ADD COLUMN lock_waits jsonb,
    ADD COLUMN notices jsonb;
COMMENT ON COLUMN refit.step.file IS 'The name of the file that ran.';
COMMENT ON COLUMN refit.step.lock_waits IS 'The attempts that did not get their locks: an array of objects with error, seconds, pause_seconds and blockers; null where there were none.';
COMMENT ON COLUMN refit.step.notices IS 'What the server said while it ran: an array of objects with severity and message; null where there was nothing, or where Refit did not open the connection.';
