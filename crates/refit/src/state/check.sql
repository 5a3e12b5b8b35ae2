CREATE TABLE refit.check_result (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_id    bigint NOT NULL REFERENCES refit.history,
    run_id        bigint,
    occasion      text NOT NULL,
    name          text NOT NULL,
    path          text NOT NULL,
    line          integer NOT NULL,
    verdict       text NOT NULL,
    row_count     bigint NOT NULL,
    source_count  bigint,
    target_count  bigint,
    column_names  text[] NOT NULL,
    first_rows    jsonb NOT NULL,
    error         text,
    duration      interval NOT NULL,
    checked_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX check_result_checked_at ON refit.check_result (history_id, checked_at);
COMMENT ON TABLE refit.check_result IS 'What checks found, until retention of refit.toml has passed.';
COMMENT ON COLUMN refit.check_result.id IS 'Identity of the result.';
COMMENT ON COLUMN refit.check_result.history_id IS 'The history on which it was found.';
COMMENT ON COLUMN refit.check_result.run_id IS 'The run in which the check ran; null outside of runs.';
COMMENT ON COLUMN refit.check_result.occasion IS 'before or after a step, backfill (before its gate opens), schedule, or request.';
COMMENT ON COLUMN refit.check_result.name IS 'The name of the check.';
COMMENT ON COLUMN refit.check_result.path IS 'Its file, relative to the migrations folder.';
COMMENT ON COLUMN refit.check_result.line IS 'The line of its query there.';
COMMENT ON COLUMN refit.check_result.verdict IS 'passed, warned or failed.';
COMMENT ON COLUMN refit.check_result.row_count IS 'How many rows the query returned.';
COMMENT ON COLUMN refit.check_result.source_count IS 'The first count of a check that compares two.';
COMMENT ON COLUMN refit.check_result.target_count IS 'The second count.';
COMMENT ON COLUMN refit.check_result.column_names IS 'The columns of the query.';
COMMENT ON COLUMN refit.check_result.first_rows IS 'The first rows: an array for each, of its values as text.';
COMMENT ON COLUMN refit.check_result.error IS 'Why the check could not run.';
COMMENT ON COLUMN refit.check_result.duration IS 'How long it took.';
COMMENT ON COLUMN refit.check_result.checked_at IS 'When it ended.';
