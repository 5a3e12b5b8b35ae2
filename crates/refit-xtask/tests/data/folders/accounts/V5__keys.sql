CREATE TYPE "KeyKind" AS ENUM ('rsa', 'ed25519');
CREATE TABLE "signingKey" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "kind" "KeyKind" NOT NULL DEFAULT 'rsa',
    "publicPart" BYTEA NOT NULL CHECK (octet_length("publicPart") > 0),
    "previous" UUID
);
ALTER TABLE "signingKey" ADD CONSTRAINT "signingKey_pkey" PRIMARY KEY ("id");
ALTER TABLE "signingKey" ADD CONSTRAINT "signingKey_previous_fkey" FOREIGN KEY ("previous") REFERENCES "signingKey"("id") ON DELETE SET NULL;

ALTER TABLE "Tenant"
    -- one of these signs
    ADD COLUMN "keyId" UUID REFERENCES "signingKey" ("id") ON DELETE SET NULL,
    ADD COLUMN "region" TEXT COLLATE "C" DEFAULT 'eu';
