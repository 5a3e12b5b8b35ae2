-- Written by hand for lists and feeds; NULL means that the reader of the list cuts the body.
ALTER TABLE posts ADD COLUMN excerpt text;
