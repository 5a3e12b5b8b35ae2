CREATE OR REPLACE VIEW front_page AS
    SELECT id, title, url, hotness FROM stories WHERE NOT is_deleted ORDER BY hotness DESC LIMIT 25;
