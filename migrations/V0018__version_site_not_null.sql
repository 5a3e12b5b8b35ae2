-- refit: after = ["V0015"]
-- refit: phase = "contract"
-- The validated constraint proves it: nothing is read. Then the constraint has done its work.
ALTER TABLE content_versions ALTER COLUMN site_id SET NOT NULL;
ALTER TABLE content_versions DROP CONSTRAINT content_versions_site_present;
