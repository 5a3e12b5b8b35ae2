-- expect: flag
-- CREATE UNIQUE INDEX on live table
CREATE UNIQUE INDEX u1 ON orders (code);
