DROP TRIGGER content_versions_site ON content_versions;
DROP FUNCTION content_versions_site();
