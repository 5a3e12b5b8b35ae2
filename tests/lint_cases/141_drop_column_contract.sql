-- expect: safe
-- DROP COLUMN in a contract that says why
-- refit: phase = "contract"
-- Nothing has read it since release 2.0.
ALTER TABLE orders DROP COLUMN legacy;
