-- expect: flag
-- ALTER TYPE integer → bigint
-- file: V1__create_orders.sql
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint NOT NULL, status text, region text, code varchar(20), amount numeric(10, 2) NOT NULL, qty integer NOT NULL, created_at timestamptz NOT NULL);
-- file: V2__change.sql
ALTER TABLE orders ALTER COLUMN qty TYPE bigint;
