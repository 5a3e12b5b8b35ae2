-- expect: safe
-- DETACH PARTITION CONCURRENTLY outside of a transaction
-- refit: transaction = false
ALTER TABLE m DETACH PARTITION m_2024 CONCURRENTLY;
