//! What holds while both releases run: each writes what the other reads.

pub(super) const RENAMED: &str = "
DO $$ DECLARE r record; BEGIN
    INSERT INTO <posts> (<title>) VALUES ('by old') RETURNING * INTO r;
    ASSERT r.<title> = 'by old' AND r.<headline> = 'by old', 'insert by the old release';
    INSERT INTO <posts> (<headline>) VALUES ('by new') RETURNING * INTO r;
    ASSERT r.<title> = 'by new' AND r.<headline> = 'by new', 'insert by the new release';
    UPDATE <posts> SET <title> = 'old again' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<title> = 'old again' AND r.<headline> = 'old again', 'update by the old release';
    UPDATE <posts> SET <headline> = 'new again' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<title> = 'new again' AND r.<headline> = 'new again', 'update by the new release';
    UPDATE <posts> SET <title> = 'x', <headline> = 'y' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<title> = 'y' AND r.<headline> = 'y', 'update of both';
    UPDATE <posts> SET status = 'live' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<title> = 'y' AND r.<headline> = 'y', 'update of neither';
    INSERT INTO <posts> (score) VALUES ('1') RETURNING * INTO r;
    ASSERT r.<title> = 'untitled' AND r.<headline> = 'untitled', 'default';
    ASSERT (SELECT count(*) FROM titles WHERE <title> = 'y') = 1, 'view';
END $$";

pub(super) const RETYPED: &str = "
DO $$ DECLARE r record; BEGIN
    INSERT INTO <posts> (score) VALUES ('41') RETURNING * INTO r;
    ASSERT r.score = '41' AND r.points = 41, 'insert by the old release';
    INSERT INTO <posts> (points) VALUES (42) RETURNING * INTO r;
    ASSERT r.score = '42' AND r.points = 42, 'insert by the new release';
    UPDATE <posts> SET score = '43' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.score = '43' AND r.points = 43, 'update by the old release';
    UPDATE <posts> SET points = 44 WHERE id = r.id RETURNING * INTO r;
    ASSERT r.score = '44' AND r.points = 44, 'update by the new release';
    UPDATE <posts> SET points = 46, score = '45' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.score = '46' AND r.points = 46, 'update of both';
    INSERT INTO <posts> (<title>) VALUES ('t') RETURNING * INTO r;
    ASSERT r.score = '0' AND r.points = 0, 'default';
END $$";

pub(super) const AS_ENUM: &str = "
DO $$ DECLARE r record; BEGIN
    INSERT INTO <posts> (status) VALUES ('live') RETURNING * INTO r;
    ASSERT r.status = 'live' AND r.state = 'live', 'insert by the old release';
    UPDATE <posts> SET state = 'gone' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.status = 'gone' AND r.state = 'gone', 'update by the new release';
    INSERT INTO <posts> (score) VALUES ('1') RETURNING * INTO r;
    ASSERT r.status = 'draft' AND r.state = 'draft', 'default';
END $$";

pub(super) const MERGED: &str = "
DO $$ DECLARE r record; BEGIN
    INSERT INTO people (<title>, <subtitle>) VALUES ('a', 'b') RETURNING * INTO r;
    ASSERT r.<headline> = 'a: b', 'insert by the old release';
    UPDATE people SET <subtitle> = 'c' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<headline> = 'a: c', 'update by the old release';
    UPDATE people SET <headline> = 'd' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.<headline> = 'd', 'update by the new release';
END $$";

pub(super) const UNFOLDED: &str = "
DO $$ DECLARE r record; BEGIN
    INSERT INTO people (<title>, details) VALUES ('a', '{\"age\": 7, \"b\": 1}') RETURNING * INTO r;
    ASSERT r.age = 7 AND r.<headline> IS NULL, 'insert by the old release';
    UPDATE people SET age = 8 WHERE id = r.id RETURNING * INTO r;
    ASSERT r.details = '{\"age\": 8, \"b\": 1}', 'update by the new release';
    UPDATE people SET age = NULL WHERE id = r.id RETURNING * INTO r;
    ASSERT r.details = '{\"b\": 1}', 'NULL by the new release';
    UPDATE people SET details = '{\"age\": 9}' WHERE id = r.id RETURNING * INTO r;
    ASSERT r.age = 9, 'update by the old release';
    UPDATE people SET details = '{\"age\": 10, \"c\": 2}', age = 11 WHERE id = r.id RETURNING * INTO r;
    ASSERT r.age = 11 AND r.details = '{\"age\": 11, \"c\": 2}', 'update of both';
    INSERT INTO people (<title>, age) VALUES ('a', 5) RETURNING * INTO r;
    ASSERT r.details = '{\"age\": 5}', 'insert by the new release';
END $$";

pub(super) const SPLIT: &str = "
DO $$ DECLARE r record; n record; BEGIN
    INSERT INTO people (<title>, <subtitle>) VALUES ('a', 'b') RETURNING * INTO r;
    SELECT * INTO STRICT n FROM \"people \"\"more\"\"\" WHERE id = r.id;
    ASSERT n.<subtitle> = 'b' AND n.details IS NULL, 'insert by the old release';
    UPDATE people SET <subtitle> = 'c' WHERE id = r.id;
    UPDATE \"people \"\"more\"\"\" SET details = '1' WHERE id = r.id RETURNING * INTO n;
    SELECT * INTO STRICT r FROM people WHERE id = r.id;
    ASSERT n.<subtitle> = 'c' AND r.<subtitle> = 'c' AND r.details = '1', 'update by both';
    DELETE FROM \"people \"\"more\"\"\" WHERE id = r.id;
    SELECT * INTO STRICT r FROM people WHERE id = r.id;
    ASSERT r.<subtitle> IS NULL AND r.details IS NULL, 'delete by the new release';
    ASSERT NOT EXISTS (SELECT FROM \"people \"\"more\"\"\" WHERE id = r.id), 'it stays deleted';
    INSERT INTO people (<title>) VALUES ('a') RETURNING * INTO r;
    INSERT INTO \"people \"\"more\"\"\" (id, <subtitle>) VALUES (r.id, 'new');
    SELECT * INTO STRICT r FROM people WHERE id = r.id;
    ASSERT r.<subtitle> = 'new', 'insert by the new release';
    DELETE FROM people WHERE id = r.id;
    ASSERT NOT EXISTS (SELECT FROM \"people \"\"more\"\"\" WHERE id = r.id), 'delete by either';
END $$";
