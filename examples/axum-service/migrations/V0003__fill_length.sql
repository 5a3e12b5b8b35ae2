-- refit: backfill = { table = "notes", key = ["id"] }
-- refit: phase = "migrate"
UPDATE notes SET length = char_length(body) WHERE id > $1 AND id <= $2 AND length IS NULL;
