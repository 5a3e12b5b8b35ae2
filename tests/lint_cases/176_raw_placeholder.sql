-- expect: flag
ALTER TABLE orders ALTER COLUMN total SET DEFAULT ${number:raw};
