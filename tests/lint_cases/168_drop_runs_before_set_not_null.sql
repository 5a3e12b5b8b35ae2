-- expect: flag
-- One ALTER TABLE drops the proof and needs it: drops come first
-- file: V1__users.sql
CREATE TABLE users (id bigint PRIMARY KEY, email varchar(50) NOT NULL UNIQUE, n int, at timestamp);
-- file: V2__given.sql
ALTER TABLE users ADD CONSTRAINT c CHECK (n IS NOT NULL) NOT VALID;
-- file: V3__validate.sql
ALTER TABLE users VALIDATE CONSTRAINT c;
-- file: V4__not_null.sql
ALTER TABLE users DROP CONSTRAINT c, ALTER COLUMN n SET NOT NULL;
