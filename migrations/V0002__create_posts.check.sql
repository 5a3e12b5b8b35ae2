SELECT id, created_at, updated_at
FROM   posts
WHERE  updated_at < created_at;
