-- refit: phase = "expand"
-- refit: lock_timeout = "500ms"
-- Rows that the old release inserts from now on get the site and locale of their content, by the rule of V0003.
CREATE FUNCTION content_versions_site() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    SELECT s.id, coalesce(c.locale, s.locale)
    INTO   NEW.site_id, NEW.locale
    FROM   (SELECT) one
    LEFT   JOIN (
        SELECT p.domain, p.locale FROM posts p WHERE NEW.content_type = 'post' AND p.id = NEW.content_id
        UNION  ALL
        SELECT g.domain, g.locale FROM pages g WHERE NEW.content_type = 'page' AND g.id = NEW.content_id
    ) c ON true
    LEFT   JOIN sites o
    ON     o.domain = regexp_replace(regexp_replace(lower(c.domain), '^www\.', ''), ':[0-9]+$', '')
    JOIN   sites s ON s.id = coalesce(o.id, (SELECT d.id FROM sites d WHERE d.is_default));
    RETURN NEW;
END
$$;

CREATE TRIGGER content_versions_site
    BEFORE INSERT ON content_versions
    FOR EACH ROW WHEN (NEW.site_id IS NULL)
    EXECUTE FUNCTION content_versions_site();
