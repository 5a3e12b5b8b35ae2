-- refit: transaction = false
-- The activity feed and the daily report read versions by time.
CREATE INDEX CONCURRENTLY content_versions_created_at_idx
    ON content_versions (created_at DESC, id DESC);
