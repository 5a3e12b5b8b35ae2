-- refit: after = ["V0003"]
-- refit: phase = "contract"
ALTER TABLE notes ADD CONSTRAINT notes_length_present CHECK (length IS NOT NULL) NOT VALID;
