-- expect: flag
-- psql meta-command
\set ON_ERROR_STOP on
ALTER TABLE orders ADD COLUMN note text;
