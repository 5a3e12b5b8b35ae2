-- expect: flag
-- What one migration sets is gone in the next
-- file: V1__users.sql
CREATE TABLE users (id bigint PRIMARY KEY, email varchar(50) NOT NULL UNIQUE, n int, at timestamp);
-- file: V2__zone.sql
SET timezone = 'UTC';
-- file: V3__zone.sql
ALTER TABLE users ALTER at TYPE timestamptz;
