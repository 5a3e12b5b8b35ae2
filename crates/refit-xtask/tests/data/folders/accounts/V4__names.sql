/*
  Warnings:

  - You are about to add a required column `displayName`.
*/
-- AlterTable
UPDATE "User" SET "displayName" = split_part("emailAddress", '@', 1) WHERE "displayName" IS NULL;
ALTER TABLE "User" ALTER COLUMN "displayName" SET NOT NULL;
ALTER TABLE "User" ALTER COLUMN "displayName" SET DEFAULT 'anonymous';
