-- refit: after = ["V0015"]
-- refit: phase = "contract"
-- Reads the whole table under SHARE UPDATE EXCLUSIVE: reads and writes go on.
ALTER TABLE content_versions VALIDATE CONSTRAINT content_versions_site_present;
