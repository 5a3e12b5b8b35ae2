CREATE TABLE stats.downloads (
    version_id  bigint NOT NULL REFERENCES versions,
    day         date NOT NULL,
    count       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (version_id, day)
) PARTITION BY RANGE (day);
CREATE TABLE stats.downloads_2025 PARTITION OF stats.downloads FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE stats.downloads_2026 PARTITION OF stats.downloads FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE stats.downloads_rest PARTITION OF stats.downloads DEFAULT;
CREATE INDEX ON stats.downloads (day);

INSERT INTO stats.downloads SELECT id, date '2025-06-01' + (id % 400)::integer, id FROM versions;
