-- Keeps out what was never meant to come in.
-- refit: category = "constraint"
SET LOCAL lock_timeout = '1s';

-- Scores are not negative.
ALTER TABLE posts ADD CHECK (score >= 0); -- since 2019
ALTER TABLE posts
    ADD CONSTRAINT posts_price_check CHECK (price > 0),
    ADD CONSTRAINT "Editor" FOREIGN KEY (editor_id) REFERENCES authors (id) DEFERRABLE;

-- The last.
ALTER TABLE posts ALTER COLUMN status SET DEFAULT 'draft';
-- That is all.
