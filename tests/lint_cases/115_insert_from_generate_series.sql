-- expect: safe
-- INSERT SELECT FROM generate_series
INSERT INTO slots (n) SELECT n FROM generate_series(1, 24) AS n;
