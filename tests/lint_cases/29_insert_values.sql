-- expect: safe
-- INSERT VALUES
INSERT INTO regions (code, name) VALUES ('eu', 'Europe'), ('us', 'United States');
