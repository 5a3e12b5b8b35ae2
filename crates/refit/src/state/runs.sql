CREATE TABLE refit.run (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at    timestamptz NOT NULL DEFAULT pg_catalog.now(),
    finished_at   timestamptz,
    outcome       text NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'succeeded', 'failed')),
    error         text,
    environment   text NOT NULL,
    refit_version text NOT NULL,
    session_role  text NOT NULL DEFAULT session_user,
    client        text NOT NULL DEFAULT coalesce(pg_catalog.host(pg_catalog.inet_client_addr()), 'local socket'),
    backend_pid   integer NOT NULL DEFAULT pg_catalog.pg_backend_pid(),
    planned       integer NOT NULL
);
COMMENT ON TABLE refit.run IS 'One application of a plan; runs with nothing to do leave no row.';
COMMENT ON COLUMN refit.run.id IS 'Identity of the run.';
COMMENT ON COLUMN refit.run.started_at IS 'When the run had the lock and began.';
COMMENT ON COLUMN refit.run.finished_at IS 'When it ended; null while it runs, and for ever when its process was killed.';
COMMENT ON COLUMN refit.run.outcome IS 'running, succeeded or failed.';
COMMENT ON COLUMN refit.run.error IS 'What stopped it.';
COMMENT ON COLUMN refit.run.environment IS 'The environment that the plan was for.';
COMMENT ON COLUMN refit.run.refit_version IS 'The version of refit that ran it.';
COMMENT ON COLUMN refit.run.session_role IS 'The role that logged in.';
COMMENT ON COLUMN refit.run.client IS 'Where the run was connected from.';
COMMENT ON COLUMN refit.run.backend_pid IS 'The server process that did the work.';
COMMENT ON COLUMN refit.run.planned IS 'How many steps were pending.';
-- Without CHECK: it would be parsed again for every step, which makes a run of many small ones a tenth slower.
CREATE TABLE refit.step (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id          bigint NOT NULL,
    kind            text NOT NULL,
    version         bigint,
    name            text NOT NULL,
    checksum        text NOT NULL,
    started_at      timestamptz NOT NULL DEFAULT pg_catalog.now(),
    finished_at     timestamptz,
    outcome         text NOT NULL,
    attempts        integer NOT NULL DEFAULT 1,
    statements_done integer,
    statements_checksum text,
    error           text
);
COMMENT ON TABLE refit.step IS 'One migration within a run.';
COMMENT ON COLUMN refit.step.id IS 'Identity of the step.';
COMMENT ON COLUMN refit.step.run_id IS 'The run it belongs to.';
COMMENT ON COLUMN refit.step.kind IS 'versioned, repeatable, or undo: the down file of a versioned one.';
COMMENT ON COLUMN refit.step.version IS 'The version; null for a repeatable migration.';
COMMENT ON COLUMN refit.step.name IS 'The name without version.';
COMMENT ON COLUMN refit.step.checksum IS 'The checksum of the text that ran.';
COMMENT ON COLUMN refit.step.started_at IS 'When the successful attempt, or the last one, began.';
COMMENT ON COLUMN refit.step.finished_at IS 'When it ended; null while it runs.';
COMMENT ON COLUMN refit.step.outcome IS 'running, succeeded or failed.';
COMMENT ON COLUMN refit.step.attempts IS 'How often it was tried, lock timeouts and deadlocks included.';
COMMENT ON COLUMN refit.step.statements_done IS 'Outside a transaction: how many statements are complete, SET and its like not counted; a restart goes on after them.';
COMMENT ON COLUMN refit.step.statements_checksum IS 'Outside a transaction: checksum of the texts of those statements, which a restart expects to find again.';
COMMENT ON COLUMN refit.step.error IS 'What stopped it.';
CREATE TABLE refit.repeatable (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE refit.repeatable IS 'The repeatable migrations, with the text of their last run.';
COMMENT ON COLUMN refit.repeatable.name IS 'The name without R__.';
COMMENT ON COLUMN refit.repeatable.checksum IS 'The checksum of the text that ran last.';
COMMENT ON COLUMN refit.repeatable.applied_at IS 'When it ran last.';
