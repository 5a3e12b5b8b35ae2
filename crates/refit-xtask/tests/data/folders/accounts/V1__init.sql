-- CreateTable
CREATE TABLE "User" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid()::text,
    "emailAddress" TEXT NOT NULL,
    "displayName" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "tenantId" INTEGER NOT NULL,

    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Tenant" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "plan" "char" NOT NULL DEFAULT 'f',

    CONSTRAINT "Tenant_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "user session" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "userId" TEXT,
    "select" TEXT NOT NULL, -- a reserved word
    "expires" TIMESTAMPTZ
);

-- CreateIndex
CREATE UNIQUE INDEX "User_emailAddress_key" ON "User"("emailAddress");
CREATE INDEX "User_lower_idx" ON "User"(lower("emailAddress"), "createdAt");

-- AddForeignKey
ALTER TABLE "User" ADD CONSTRAINT "User_tenantId_fkey" FOREIGN KEY ("tenantId") REFERENCES "Tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
INSERT INTO "Tenant" ("name") SELECT 'Tenant ' || n FROM generate_series(1, 5) AS n;
INSERT INTO "User" ("emailAddress", "tenantId") SELECT n || '@example.com', 1 + n % 5 FROM generate_series(1, 70) AS n;
INSERT INTO "user session" ("userId", "select") SELECT "id", 'all' FROM "User";
