-- Where a version came from. Versions saved before this column existed keep NULL: nobody recorded it.
ALTER TABLE content_versions ADD COLUMN source text;
