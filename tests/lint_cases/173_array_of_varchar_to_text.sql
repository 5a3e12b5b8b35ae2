-- expect: flag
-- Elements are converted one by one, even where the types alone would be free
-- file: V1__users.sql
CREATE TABLE users (id bigint PRIMARY KEY, tags varchar(10)[]);
-- file: V2__text.sql
ALTER TABLE users ALTER tags TYPE text[];
