-- refit: phase = "expand"
ALTER TABLE content_versions ADD COLUMN site_id bigint;
