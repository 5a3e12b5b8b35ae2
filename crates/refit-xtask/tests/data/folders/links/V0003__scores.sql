-- The score decides the order of the front page.

CREATE OR REPLACE FUNCTION hotness(upvotes integer, downvotes integer, at timestamptz)
RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $body$
DECLARE
    score integer := upvotes - downvotes;

    weight numeric;
BEGIN

    -- Old stories sink; this isn't exact.
    weight := log(greatest(abs(score), 1));


    IF score < 0 THEN
        weight := -weight;
    END IF;

    RETURN round(weight + extract(epoch FROM at) / 45000, 7);
END
    $body$;

ALTER TABLE stories -- the front page reads it
    ADD COLUMN hotness numeric(20, 10);

UPDATE stories SET hotness = hotness(upvotes, downvotes, created_at) WHERE hotness IS NULL;

CREATE INDEX stories_hotness ON stories (hotness DESC) WHERE NOT is_deleted;
