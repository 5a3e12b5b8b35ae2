ALTER TABLE notes DROP CONSTRAINT notes_length_present;
