-- expect: flag
-- DROP COLUMN in a contract that does not say why
-- file: V1__drop.sql
-- refit: phase = "contract"
ALTER TABLE orders DROP COLUMN legacy;
