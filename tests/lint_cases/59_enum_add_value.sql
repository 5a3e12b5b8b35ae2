-- expect: safe
-- ALTER TYPE ADD VALUE, not used yet
ALTER TYPE mood ADD VALUE 'meh';
