-- expect: flag
-- DROP INDEX
DROP INDEX i1;
