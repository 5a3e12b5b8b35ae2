CREATE TABLE refit.backfill (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version         bigint NOT NULL,
    name            text NOT NULL,
    kind            text NOT NULL DEFAULT 'forward' CHECK (kind IN ('forward', 'undo')),
    statement       text NOT NULL,
    directive       text NOT NULL,
    state           text NOT NULL DEFAULT 'registered'
        CHECK (state IN ('registered', 'running', 'incomplete', 'failed', 'complete', 'canceled')),
    wanted          text NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'pause', 'cancel')),
    strategy        text,
    reason          text,
    remaining       text,
    rows_estimated  bigint,
    pass            integer NOT NULL DEFAULT 0,
    throttle        text,
    rows_per_second double precision,
    error           text,
    journal         text,
    registered_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
    started_at      timestamptz,
    finished_at     timestamptz
);
CREATE INDEX backfill_version ON refit.backfill (version);
COMMENT ON TABLE refit.backfill IS 'One backfill: a migration that changes rows in batches.';
COMMENT ON COLUMN refit.backfill.id IS 'Identity of the job.';
COMMENT ON COLUMN refit.backfill.version IS 'The version of its migration; the newest job of a version counts.';
COMMENT ON COLUMN refit.backfill.name IS 'The file name without .sql.';
COMMENT ON COLUMN refit.backfill.kind IS 'forward, or undo: earlier values are restored from the journal.';
COMMENT ON COLUMN refit.backfill.statement IS 'What each batch runs; empty for a function that the service registered.';
COMMENT ON COLUMN refit.backfill.directive IS 'The migration''s backfill directive, as JSON.';
COMMENT ON COLUMN refit.backfill.state IS 'registered, running, incomplete (rows failed or keep coming), failed, complete or canceled.';
COMMENT ON COLUMN refit.backfill.wanted IS 'What an operator asked for last: run, pause or cancel.';
COMMENT ON COLUMN refit.backfill.strategy IS 'How the key space is walked: keyset, striped or heap.';
COMMENT ON COLUMN refit.backfill.reason IS 'Why it is walked so.';
COMMENT ON COLUMN refit.backfill.remaining IS 'The condition on the table that finds rows still to be done; null where none is known.';
COMMENT ON COLUMN refit.backfill.rows_estimated IS 'Rows of the table when the job began, as the planner estimates them.';
COMMENT ON COLUMN refit.backfill.pass IS 'Closing sweeps made since it was begun, or taken up again.';
COMMENT ON COLUMN refit.backfill.throttle IS 'What slows the job down right now; null when nothing does.';
COMMENT ON COLUMN refit.backfill.rows_per_second IS 'Rows changed a second lately, by all workers.';
COMMENT ON COLUMN refit.backfill.error IS 'What stopped it, or keeps it from being complete.';
COMMENT ON COLUMN refit.backfill.journal IS 'The table that holds earlier values, qualified and quoted; null without an undo journal, and once it is dropped.';
COMMENT ON COLUMN refit.backfill.registered_at IS 'When its migration was applied.';
COMMENT ON COLUMN refit.backfill.started_at IS 'When its ranges were cut.';
COMMENT ON COLUMN refit.backfill.finished_at IS 'When it came to its end.';
CREATE TABLE refit.backfill_range (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    backfill_id   bigint NOT NULL REFERENCES refit.backfill ON DELETE CASCADE,
    pass          integer NOT NULL DEFAULT 0,
    relation      text NOT NULL,
    lower         text[] NOT NULL,
    lower_closed  boolean NOT NULL,
    windows       text NOT NULL,
    stripes       integer NOT NULL DEFAULT 1,
    rows_estimated bigint NOT NULL,
    position      integer NOT NULL DEFAULT 0,
    cursor        text[],
    done          boolean NOT NULL DEFAULT false,
    token         bigint NOT NULL DEFAULT 0,
    leased_until  timestamptz,
    worker_pid    integer,
    worker_host   text,
    batch_rows    integer,
    rows_changed  bigint NOT NULL DEFAULT 0,
    rows_walked   bigint NOT NULL DEFAULT 0,
    batches       bigint NOT NULL DEFAULT 0,
    retries       bigint NOT NULL DEFAULT 0,
    trouble       text
) WITH (fillfactor = 50);
CREATE INDEX backfill_range_open ON refit.backfill_range (backfill_id, id) WHERE NOT done;
COMMENT ON TABLE refit.backfill_range IS 'A share of a backfill''s key space, leased by one worker at a time.';
COMMENT ON COLUMN refit.backfill_range.id IS 'Identity of the range.';
COMMENT ON COLUMN refit.backfill_range.backfill_id IS 'The job.';
COMMENT ON COLUMN refit.backfill_range.pass IS '0 for the walk over all keys, then the number of the closing sweep; -1 for rows that are tried again, and for sweeps from before the job was taken up again.';
COMMENT ON COLUMN refit.backfill_range.relation IS 'The table or partition, qualified and quoted.';
COMMENT ON COLUMN refit.backfill_range.lower IS 'The key before the first one, or the first one.';
COMMENT ON COLUMN refit.backfill_range.lower_closed IS 'Whether lower is the first key itself.';
COMMENT ON COLUMN refit.backfill_range.windows IS 'The last key of each window, as a JSON list of keys; one window where the range is not striped.';
COMMENT ON COLUMN refit.backfill_range.stripes IS 'Stripes a window; 1 where it is not striped.';
COMMENT ON COLUMN refit.backfill_range.rows_estimated IS 'Rows in the range, as a sample has it.';
COMMENT ON COLUMN refit.backfill_range.position IS 'Windows done, counted stripe by stripe: position modulo windows is the window, the rest the stripe.';
COMMENT ON COLUMN refit.backfill_range.cursor IS 'The last key done in the window at hand; null at its beginning.';
COMMENT ON COLUMN refit.backfill_range.done IS 'Whether all is done.';
COMMENT ON COLUMN refit.backfill_range.token IS 'Grows with each lease: a worker whose token is older may not commit.';
COMMENT ON COLUMN refit.backfill_range.leased_until IS 'Until when the worker has it, by the server''s clock; null when nobody has.';
COMMENT ON COLUMN refit.backfill_range.worker_pid IS 'The server process of the worker that has or had it.';
COMMENT ON COLUMN refit.backfill_range.worker_host IS 'Where that worker is connected from.';
COMMENT ON COLUMN refit.backfill_range.batch_rows IS 'Rows in its last batch, as aimed at.';
COMMENT ON COLUMN refit.backfill_range.rows_changed IS 'Rows that the statement changed.';
COMMENT ON COLUMN refit.backfill_range.rows_walked IS 'Rows whose keys were walked over.';
COMMENT ON COLUMN refit.backfill_range.batches IS 'Batches committed.';
COMMENT ON COLUMN refit.backfill_range.retries IS 'Batches that were tried again.';
COMMENT ON COLUMN refit.backfill_range.trouble IS 'Why the last batch was tried again.';
CREATE TABLE refit.backfill_error (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    backfill_id bigint NOT NULL REFERENCES refit.backfill ON DELETE CASCADE,
    relation    text NOT NULL,
    key         text[] NOT NULL,
    sqlstate    text NOT NULL,
    message     text NOT NULL,
    detail      text,
    attempts    integer NOT NULL DEFAULT 1,
    failed_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
    resolved_at timestamptz,
    UNIQUE (backfill_id, relation, key)
);
COMMENT ON TABLE refit.backfill_error IS 'Rows that a backfill could not change, set aside so that the others could be.';
COMMENT ON COLUMN refit.backfill_error.id IS 'Identity of the error.';
COMMENT ON COLUMN refit.backfill_error.backfill_id IS 'The job.';
COMMENT ON COLUMN refit.backfill_error.relation IS 'The table or partition, qualified and quoted.';
COMMENT ON COLUMN refit.backfill_error.key IS 'The row''s key.';
COMMENT ON COLUMN refit.backfill_error.sqlstate IS 'SQLSTATE of the failure.';
COMMENT ON COLUMN refit.backfill_error.message IS 'What the server said.';
COMMENT ON COLUMN refit.backfill_error.detail IS 'Its detail.';
COMMENT ON COLUMN refit.backfill_error.attempts IS 'How often the row failed.';
COMMENT ON COLUMN refit.backfill_error.failed_at IS 'When it failed last.';
COMMENT ON COLUMN refit.backfill_error.resolved_at IS 'When it was taken again; null while it stands.';
