-- expect: flag
-- public.orders and orders are one table
-- file: V1__create.sql
CREATE TABLE public.orders (id bigint PRIMARY KEY, code varchar(20));
-- file: V2__narrow.sql
ALTER TABLE orders ALTER COLUMN code TYPE varchar(10);
