-- expect: flag
-- CREATE INDEX ON partitioned parent, partitions included
-- file: V1__create.sql
CREATE TABLE measurements (ts timestamptz NOT NULL, value numeric) PARTITION BY RANGE (ts);
-- file: V2__index.sql
CREATE INDEX i1 ON measurements (ts);
