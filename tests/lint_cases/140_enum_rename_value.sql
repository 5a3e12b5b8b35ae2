-- expect: flag
-- ALTER TYPE RENAME VALUE
ALTER TYPE mood RENAME VALUE 'meh' TO 'so-so';
