-- Who may publish, and what a team is.
CREATE TABLE teams (
    id     integer GENERATED ALWAYS AS IDENTITY,
    login  text NOT NULL
);
ALTER TABLE teams ADD PRIMARY KEY (id);
CREATE TABLE owners (
    package_id  bigint NOT NULL REFERENCES packages,
    team_id     integer,
    kind        smallint NOT NULL DEFAULT 1,
    EXCLUDE USING btree (package_id WITH =, team_id WITH =)
);
ALTER TABLE owners ADD FOREIGN KEY (team_id) REFERENCES teams (id) ON UPDATE CASCADE;

ALTER TABLE packages ADD COLUMN homepage text;
ALTER TABLE packages
    ADD CONSTRAINT packages_homepage_check -- some were relative
        CHECK (homepage ~ '^https?://');
