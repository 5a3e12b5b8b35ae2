-- refit: after = ["V0015"]
-- refit: phase = "contract"
-- Reads both tables: reads and writes go on.
ALTER TABLE content_versions VALIDATE CONSTRAINT content_versions_site_id_fkey;
