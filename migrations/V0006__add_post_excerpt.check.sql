SELECT id, slug
FROM   posts
WHERE  excerpt = '';
