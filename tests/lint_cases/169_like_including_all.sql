-- expect: safe
-- What LIKE copies is known
-- file: V1__users.sql
CREATE TABLE users (id bigint PRIMARY KEY, email varchar(50) NOT NULL UNIQUE, n int, at timestamp);
-- file: V2__like.sql
CREATE TABLE z (LIKE users INCLUDING ALL);
-- file: V3__alter.sql
ALTER TABLE z ALTER email SET NOT NULL;
ALTER TABLE z ALTER email TYPE varchar(99);
-- file: V4__update.sql
UPDATE z SET n = 1 WHERE email = 'a@example.org';
