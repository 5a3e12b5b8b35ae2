-- refit: phase = "expand"
-- refit: lock_timeout = "500ms"
-- Rows that either release saves from now on get the site of their content.
CREATE FUNCTION content_versions_site() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.site_id := coalesce(
        CASE NEW.content_type
            WHEN 'post' THEN (SELECT p.site_id FROM posts p WHERE p.id = NEW.content_id)
            ELSE             (SELECT g.site_id FROM pages g WHERE g.id = NEW.content_id)
        END,
        (SELECT s.id FROM sites s ORDER BY s.is_default DESC, s.id LIMIT 1));
    RETURN NEW;
END
$$;

CREATE TRIGGER content_versions_site
    BEFORE INSERT ON content_versions
    FOR EACH ROW WHEN (NEW.site_id IS NULL)
    EXECUTE FUNCTION content_versions_site();
