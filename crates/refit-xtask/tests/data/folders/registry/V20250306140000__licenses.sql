ALTER TYPE visibility ADD VALUE 'unlisted';

ALTER TABLE versions ADD COLUMN license varchar(40);
CREATE INDEX versions_license ON versions (license) WHERE license IS NOT NULL AND NOT yanked;
CREATE UNIQUE INDEX ON versions (package_id, lower(license)) WHERE license LIKE 'LicenseRef%';
