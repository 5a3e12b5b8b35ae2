-- expect: safe
-- UPDATE by a unique column of the set
-- file: V1__create.sql
CREATE TABLE countries (id bigint PRIMARY KEY, iso text NOT NULL UNIQUE, name text);
-- file: V2__fix.sql
UPDATE countries SET name = 'Türkiye' WHERE iso = 'TR';
