-- refit: transaction = false
CREATE INDEX CONCURRENTLY jobs_open ON jobs (id) WHERE done_at IS NULL;
