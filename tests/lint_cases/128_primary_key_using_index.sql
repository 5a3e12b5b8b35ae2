-- expect: safe
-- PRIMARY KEY USING INDEX over a NOT NULL column
-- file: V1__create.sql
CREATE TABLE items (id bigint NOT NULL, name text);
-- file: V2__index.sql
-- refit: transaction = false
CREATE UNIQUE INDEX CONCURRENTLY items_id_idx ON items (id);
-- file: V3__key.sql
ALTER TABLE items ADD CONSTRAINT items_pkey PRIMARY KEY USING INDEX items_id_idx;
