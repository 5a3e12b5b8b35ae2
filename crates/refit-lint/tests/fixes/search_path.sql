CREATE SCHEMA app;
CREATE TABLE app.orders (id bigint PRIMARY KEY, total int, note text);
CREATE TABLE orders (id bigint PRIMARY KEY);
-- file: V2__total.sql
-- Totals are known since March.
SET search_path TO app;
CREATE INDEX orders_total ON orders (total);
ALTER TABLE orders ALTER COLUMN total SET NOT NULL;
ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();
