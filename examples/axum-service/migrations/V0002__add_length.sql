-- refit: phase = "expand"
-- New rows get their length from the service, earlier ones from V0003.
ALTER TABLE notes ADD COLUMN length integer;
