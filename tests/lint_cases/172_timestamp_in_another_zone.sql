-- expect: flag
-- In another zone than UTC every value is computed anew
-- file: V1__users.sql
CREATE TABLE users (id bigint PRIMARY KEY, at timestamp);
-- file: V2__zone.sql
SET timezone = 'UTC';
SELECT 1;
-- file: V3__zone.sql
SET timezone = 'Europe/Rome';
ALTER TABLE users ALTER at TYPE timestamptz;
