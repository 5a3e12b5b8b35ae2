-- expect: safe
-- RENAME with a view under the old name
ALTER TABLE orders RENAME TO purchases;
CREATE VIEW orders AS SELECT * FROM purchases;
