-- expect: safe
ALTER TABLE ${table:ident} ALTER COLUMN total SET DEFAULT ${number};
