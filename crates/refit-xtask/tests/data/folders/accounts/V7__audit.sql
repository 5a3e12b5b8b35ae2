CREATE TABLE "audit" (
    "id" bigint GENERATED ALWAYS AS IDENTITY,
    "at" timestamptz NOT NULL DEFAULT now(),
    "what" jsonb,
    "tenantId" integer NOT NULL
) PARTITION BY LIST ("tenantId");
CREATE TABLE "audit_1" PARTITION OF "audit" FOR VALUES IN (1);
CREATE TABLE "audit_other" PARTITION OF "audit" DEFAULT;
CREATE INDEX "audit_what" ON "audit" USING gin ("what" jsonb_path_ops);
CREATE INDEX ON "audit" (("what" ->> 'kind'));

CREATE RULE "no update" AS ON UPDATE TO "audit_1" DO INSTEAD NOTHING;
GRANT SELECT ON "audit" TO PUBLIC;
COMMENT ON COLUMN "audit"."what" IS E'What\nhappened; it\'s JSON.';
