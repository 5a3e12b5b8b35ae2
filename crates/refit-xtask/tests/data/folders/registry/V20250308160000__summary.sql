CREATE MATERIALIZED VIEW stats.by_package AS
    SELECT v.package_id, sum(d.count) AS downloads FROM stats.downloads d JOIN versions v ON v.id = d.version_id GROUP BY 1;
CREATE UNIQUE INDEX by_package_id ON stats.by_package (package_id);
REFRESH MATERIALIZED VIEW stats.by_package;

CREATE FUNCTION stats.refresh() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = stats, pg_temp AS $fn$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY stats.by_package;
END;
$fn$;
REVOKE EXECUTE ON FUNCTION stats.refresh() FROM PUBLIC;
