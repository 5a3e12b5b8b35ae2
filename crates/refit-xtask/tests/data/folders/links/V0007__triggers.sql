CREATE FUNCTION count_comments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE stories SET comments_count = comments_count + 1 WHERE id = NEW.story_id;

    ELSE
        UPDATE stories SET comments_count = comments_count - 1 WHERE id = OLD.story_id;
    END IF;

    RETURN NULL;
END;
$$;

ALTER TABLE stories ADD COLUMN comments_count integer NOT NULL DEFAULT 0;

CREATE TRIGGER count_comments AFTER INSERT OR DELETE ON comments
    FOR EACH ROW EXECUTE FUNCTION count_comments();
