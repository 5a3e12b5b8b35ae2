ALTER TABLE refit.run
    ADD COLUMN override_reason text,
    ADD COLUMN overridden text[];
COMMENT ON COLUMN refit.run.override_reason IS 'Why the run could pass closed gates of its environment; null if it could not.';
COMMENT ON COLUMN refit.run.overridden IS 'The gates of its environment that were closed when it began, and that it passed: window, freeze, requires.';
