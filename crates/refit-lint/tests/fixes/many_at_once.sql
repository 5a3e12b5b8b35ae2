ALTER TABLE posts ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE, ADD COLUMN number serial;
UPDATE posts SET legacy = 'x' WHERE legacy IS NULL OR legacy = '';
ALTER TABLE posts ALTER COLUMN legacy SET NOT NULL;
