ALTER TABLE users -- an address belongs to one user
    ADD CONSTRAINT users_email_once UNIQUE (email);
