SELECT id, created_at, updated_at
FROM   pages
WHERE  updated_at < created_at;
