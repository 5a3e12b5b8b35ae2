-- expect: safe
-- GRANT
GRANT SELECT ON orders TO reporting;
