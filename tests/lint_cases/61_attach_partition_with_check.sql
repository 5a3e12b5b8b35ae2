-- expect: safe
-- ATTACH PARTITION with a validated CHECK that implies its bounds
-- file: V1__create.sql
CREATE TABLE m (ts timestamptz NOT NULL, v numeric) PARTITION BY RANGE (ts);
CREATE TABLE m_2024 (ts timestamptz NOT NULL, v numeric);
-- file: V2__check.sql
ALTER TABLE m_2024 ADD CONSTRAINT m_2024_range CHECK (ts >= '2024-01-01' AND ts < '2025-01-01') NOT VALID;
-- file: V3__validate.sql
ALTER TABLE m_2024 VALIDATE CONSTRAINT m_2024_range;
-- file: V4__attach.sql
ALTER TABLE m ATTACH PARTITION m_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
