-- expect: safe
-- CREATE SCHEMA, SEQUENCE, TYPE, EXTENSION
CREATE SCHEMA billing;
CREATE SEQUENCE billing.invoice_numbers;
CREATE TYPE billing.state AS ENUM ('open', 'paid');
CREATE EXTENSION IF NOT EXISTS citext;
