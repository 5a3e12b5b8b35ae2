-- expect: safe
-- Anything on a table of the same migration
CREATE TABLE shipments (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state text, weight integer);
ALTER TABLE shipments ADD COLUMN code uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE shipments ADD CONSTRAINT heavy CHECK (weight < 1000);
ALTER TABLE shipments ADD CONSTRAINT shipments_code_key UNIQUE (code);
ALTER TABLE shipments ALTER COLUMN state SET NOT NULL;
ALTER TABLE shipments ALTER COLUMN weight TYPE bigint;
CREATE INDEX ON public.shipments (state);
INSERT INTO shipments (state) VALUES ('new');
UPDATE shipments SET state = 'sent';
