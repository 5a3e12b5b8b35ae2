ALTER TABLE "User" ENABLE ROW LEVEL SECURITY;

CREATE POLICY "tenant isolation" ON "User"
    USING ("tenantId" = nullif(current_setting('app.tenantId', true), '')::integer)
    WITH CHECK (true);
CREATE POLICY "Admins see all" ON "User" FOR SELECT TO PUBLIC USING (current_setting('app.isAdmin', true) = 'yes');

CREATE FUNCTION "touchUser"() RETURNS trigger LANGUAGE plpgsql AS $_$
begin

  -- what's changed is newer
  new."updatedAt" := now();

  return new;
end;
$_$;
ALTER TABLE "User" ADD COLUMN "updatedAt" timestamptz NOT NULL DEFAULT now();
CREATE TRIGGER "touch user" BEFORE UPDATE ON "User" FOR EACH ROW EXECUTE FUNCTION "touchUser"();
