-- expect: safe
-- In a session at UTC a timestamp is a timestamptz, and no row is written
-- file: V1__users.sql
CREATE TABLE users (id bigint PRIMARY KEY, email varchar(50) NOT NULL UNIQUE, n int, at timestamp);
-- file: V2__zone.sql
SET LOCAL timezone = 'UTC';
ALTER TABLE users ALTER at TYPE timestamptz;
-- file: V3__zone.sql
SET TIME ZONE 'UTC';
ALTER TABLE users ALTER at TYPE timestamp;
