-- A default given after the column exists applies to new rows only, so earlier versions keep NULL. The old release
-- does not name the column; what it inserts comes from the editor.
ALTER TABLE content_versions ALTER COLUMN source SET DEFAULT 'editor';
