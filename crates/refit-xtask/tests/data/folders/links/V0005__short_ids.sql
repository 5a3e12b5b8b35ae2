-- Comments get a name of their own in URLs.
ALTER TABLE comments
    ADD COLUMN token uuid DEFAULT gen_random_uuid(), -- one a row
    ADD COLUMN is_moderated boolean NOT NULL DEFAULT false;

ALTER TABLE stories ALTER COLUMN url SET NOT NULL;
ALTER TABLE users ADD CHECK (karma > -1000000);
