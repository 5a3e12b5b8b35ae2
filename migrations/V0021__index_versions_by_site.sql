-- refit: transaction = false
-- refit: after = ["V0015"]
-- refit: phase = "contract"
-- After the backfill: an index on the column that it fills would make every row of it cost an entry.
CREATE INDEX CONCURRENTLY content_versions_site_id_idx ON content_versions (site_id, created_at DESC);
