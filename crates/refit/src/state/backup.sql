CREATE TABLE refit.backup (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_id        bigint NOT NULL REFERENCES refit.history,
    run_id            bigint,
    name              text,
    kind              text NOT NULL CHECK (kind IN ('restore-point', 'tables', 'full', 'command')),
    state             text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'complete', 'failed', 'removed')),
    began_at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    finished_at       timestamptz,
    tables            text[] NOT NULL,
    path              text,
    bytes             bigint,
    sha256            text,
    server_version    text NOT NULL,
    dump_version      text,
    system_identifier text NOT NULL,
    database_name     text NOT NULL DEFAULT pg_catalog.current_database(),
    session_role      text NOT NULL DEFAULT session_user,
    error             text
);
COMMENT ON TABLE refit.backup IS 'Backups that were made before runs, or by `backup create`. A row is written before the backup begins.';
COMMENT ON COLUMN refit.backup.id IS 'Identity of the row.';
COMMENT ON COLUMN refit.backup.history_id IS 'The history that it was made for.';
COMMENT ON COLUMN refit.backup.run_id IS 'The run that it was made for; null if it was made by `backup create`.';
COMMENT ON COLUMN refit.backup.name IS 'The ID that commands take; of kind command, what the program printed, so null until it has ended.';
COMMENT ON COLUMN refit.backup.kind IS 'restore-point, tables, full or command.';
COMMENT ON COLUMN refit.backup.state IS 'running, complete, failed, or removed by `backup prune`. A row whose process was killed stays running until the next backup.';
COMMENT ON COLUMN refit.backup.began_at IS 'When it began.';
COMMENT ON COLUMN refit.backup.finished_at IS 'When it was complete or failed; null while it runs.';
COMMENT ON COLUMN refit.backup.tables IS 'The tables whose rows it holds, qualified and quoted.';
COMMENT ON COLUMN refit.backup.path IS 'The file, on the machine that made it; null if it has none.';
COMMENT ON COLUMN refit.backup.bytes IS 'The size of the file.';
COMMENT ON COLUMN refit.backup.sha256 IS 'The SHA-256 of the file, in hexadecimal.';
COMMENT ON COLUMN refit.backup.server_version IS 'The version of the server.';
COMMENT ON COLUMN refit.backup.dump_version IS 'The version of pg_dump.';
COMMENT ON COLUMN refit.backup.system_identifier IS 'The system identifier of the server, which every cluster has of its own.';
COMMENT ON COLUMN refit.backup.database_name IS 'The database.';
COMMENT ON COLUMN refit.backup.session_role IS 'The role that logged in.';
COMMENT ON COLUMN refit.backup.error IS 'Why it failed.';
