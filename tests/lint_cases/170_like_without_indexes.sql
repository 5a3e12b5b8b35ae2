-- expect: flag
-- LIKE copies no keys unless it says so
-- file: V1__users.sql
CREATE TABLE users (id bigint PRIMARY KEY, email varchar(50) NOT NULL UNIQUE, n int, at timestamp);
-- file: V2__like.sql
CREATE TABLE z (LIKE users INCLUDING ALL EXCLUDING INDEXES);
-- file: V3__update.sql
UPDATE z SET n = 1 WHERE email = 'a@example.org';
