-- AddForeignKey
ALTER TABLE "user session" ADD CONSTRAINT "session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE;

-- CreateIndex
CREATE INDEX "user session_userId_idx" ON "user session"("userId");
CREATE UNIQUE INDEX "one session" ON "user session"("userId", "select") WHERE "expires" IS NULL;
