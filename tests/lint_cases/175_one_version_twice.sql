-- expect: flag
-- Two files have one version.
-- file: V1__a.sql
CREATE TABLE a (id bigint PRIMARY KEY);
-- file: V1__b.sql
CREATE TABLE b (id bigint PRIMARY KEY);
