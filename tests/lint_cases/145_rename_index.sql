-- expect: safe
-- RENAME of an index
ALTER INDEX i1 RENAME TO orders_status_idx;
