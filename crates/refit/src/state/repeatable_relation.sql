ALTER TABLE refit.repeatable
    ADD COLUMN relation oid;
COMMENT ON COLUMN refit.repeatable.relation IS 'The OID of the history''s table, as its history has it: what a boot with nothing to do looks for; null where that is not known to be so.';
UPDATE refit.repeatable SET relation = h.relation FROM refit.history h WHERE h.id = history_id AND h.retired_at IS NULL;
