ALTER TABLE refit.backfill RENAME COLUMN wanted TO requested;
ALTER TABLE refit.backfill RENAME CONSTRAINT backfill_wanted_check TO backfill_requested_check;
ALTER TABLE refit.backfill_range RENAME COLUMN trouble TO retry_reason;
