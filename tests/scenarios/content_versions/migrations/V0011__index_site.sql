-- refit: after = ["V0005"]
-- refit: phase = "contract"
-- refit: transaction = false
CREATE INDEX CONCURRENTLY content_versions_site_idx ON content_versions (site_id, content_type, content_id);
