-- refit: phase = "expand"
-- Every version gets the site of its content: new ones from the trigger of V0014, those of before from V0015.
ALTER TABLE content_versions ADD COLUMN site_id bigint;
