-- CreateIndex
CREATE UNIQUE INDEX "Tenant_name_key" ON "Tenant"("name");
ALTER TABLE "user session" ADD CONSTRAINT "session select" CHECK ("select" <> '');
ALTER TABLE "Tenant" ADD CONSTRAINT "Tenant_plan_name_key" UNIQUE ("plan", "name");
