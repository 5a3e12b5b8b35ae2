-- DropIndex
DROP INDEX "User_lower_idx";
-- DropForeignKey
ALTER TABLE "user session" DROP CONSTRAINT "session_userId_fkey";
-- AddForeignKey
ALTER TABLE "user session" ADD CONSTRAINT "session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE SET NULL ON UPDATE CASCADE;
