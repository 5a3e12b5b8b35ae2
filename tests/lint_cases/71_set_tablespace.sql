-- expect: flag
-- SET TABLESPACE
ALTER TABLE orders SET TABLESPACE fast;
