ALTER TABLE comments -- forgotten at first
    -- the key was meant to be there from the start
    ADD CONSTRAINT comments_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);

CREATE INDEX ON comments (user_id);
CREATE INDEX ON comments (parent_id);
