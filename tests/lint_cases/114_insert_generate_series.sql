-- expect: safe
-- INSERT SELECT generate_series
INSERT INTO slots (n) SELECT generate_series(1, 24);
