-- expect: flag
-- COPY data
COPY regions (code, name) FROM stdin;
eu	Europe
\.
