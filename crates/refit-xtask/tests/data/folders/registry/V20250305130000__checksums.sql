ALTER TABLE versions ADD COLUMN checksum text;
ALTER TABLE versions ADD COLUMN published_by bigint;

-- The old ones were never given one.
UPDATE versions
   SET checksum = md5(num || id)
 WHERE checksum IS NULL; -- all of them

ALTER TABLE versions ALTER COLUMN checksum SET NOT NULL;
