-- expect: flag
-- CIC on a partitioned table
-- file: V1__create.sql
CREATE TABLE measurements (ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
-- file: V2__index.sql
-- refit: transaction = false
CREATE INDEX CONCURRENTLY i1 ON measurements (ts);
