SET search_path TO public;

CREATE FUNCTION search_of(p packages) RETURNS tsvector LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT setweight(to_tsvector('simple', (p).name), 'A') || to_tsvector('english', coalesce((p).description, ''));
END;

CREATE FUNCTION set_search() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    NEW.search := search_of(NEW);

    RETURN NEW;
END
  ';
CREATE TRIGGER set_search BEFORE INSERT OR UPDATE OF name, description ON packages
    FOR EACH ROW WHEN (NEW.name IS NOT NULL) EXECUTE FUNCTION set_search();

UPDATE packages SET search = search_of(packages);
