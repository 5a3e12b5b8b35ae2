-- Once there are sites, exactly one of them is the default.
SELECT count(*) AS sites, count(*) FILTER (WHERE is_default) AS default_sites
FROM   sites
HAVING count(*) > 0 AND count(*) FILTER (WHERE is_default) <> 1;
