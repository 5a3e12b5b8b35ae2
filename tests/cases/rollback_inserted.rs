//! Rollback of rows that a backfill inserted: exactly these are deleted.

use refit::Rollback;
use refit::backfill::JobStatus;
use refit_devdb::TestDb;

use super::rollback_rows::{back, inline, status};
use crate::support::{applied, boot, execute, folder, migrator, until, value};

const TABLES: (&str, &str) = (
    "V1__t.sql",
    "CREATE TABLE people (id bigint PRIMARY KEY); INSERT INTO people SELECT generate_series(1, 6000); \
     CREATE TABLE forms (id bigint GENERATED ALWAYS AS IDENTITY, person bigint PRIMARY KEY, state text NOT NULL DEFAULT 'new', \
         label text GENERATED ALWAYS AS (state || '!') STORED); \
     CREATE TABLE notes (form bigint REFERENCES forms, page bigint REFERENCES forms ON DELETE CASCADE)",
);
const FILL: (&str, &str) = (
    "V2__fill.sql",
    "-- refit: backfill = { table = \"people\", key = [\"id\"], batch = 500, undo = { inserted = \"forms\" } }\n\
     INSERT INTO forms (person) SELECT p.id FROM people p WHERE p.id > $1 AND p.id <= $2 ON CONFLICT DO NOTHING;",
);
const FILES: [(&str, &str); 2] = [TABLES, FILL];

async fn forms(db: &TestDb) -> String {
    value(db, "SELECT format('%s: %s', count(*), coalesce(string_agg(person::text, ' ' ORDER BY person) FILTER (WHERE person % 100 = 7), '')) FROM forms WHERE person < 300 OR person > 6000").await
}

async fn count(db: &TestDb) -> i64 {
    value(db, "SELECT count(*) FROM forms").await
}

fn keys(job: &JobStatus) -> Vec<&str> {
    job.changed_keys.iter().map(|key| key[0].as_str()).collect()
}

#[tokio::test]
async fn exactly_the_inserted_rows_are_deleted() {
    let db = TestDb::empty().await.unwrap();
    migrator(&FILES).to(1).run(db.url()).await.unwrap();
    execute(&db, "INSERT INTO forms (person) VALUES (7), (107)").await;
    let report = inline(&FILES).run(db.url()).await.unwrap();
    assert_eq!((count(&db).await, report.backfills[0].rows_changed), (6_000, 5_998));
    execute(
        &db,
        "UPDATE forms SET state = 'sent' WHERE person IN (207, 4000); DELETE FROM forms WHERE person = 5; \
         INSERT INTO forms (person) VALUES (6007)",
    )
    .await;
    let plan = migrator(&FILES)
        .plan_rollback(&db.connect().await.unwrap(), &Rollback { to: 1, ..Rollback::default() })
        .await;
    let plan = plan.unwrap().to_string();
    assert!(plan.contains("deletes about 5998 inserted rows, by its journal"), "{plan}");
    let report = back(&db, &FILES).await.unwrap();
    assert_eq!(forms(&db).await, "4: 7 107 207 6007");
    assert_eq!(count(&db).await, 5);
    let job = &report.backfills[0];
    assert_eq!((job.rows_changed, job.changed_since, keys(job)), (5_995, 2, vec!["207", "4000"]));
    assert_eq!((status(&db).await.changed_since, applied(&db).await.as_str()), (2, "1"));
    assert_eq!(status(&db).await.done(), "deleted");
    // The rows that are there now are not those of the next backfill.
    inline(&FILES).run(db.url()).await.unwrap();
    assert_eq!(count(&db).await, 6_001);
    assert_eq!(back(&db, &FILES).await.unwrap().backfills[0].changed_since, 0);
    assert_eq!((forms(&db).await.as_str(), count(&db).await), ("4: 7 107 207 6007", 5));
}

#[tokio::test]
async fn a_backfill_that_inserted_nothing_deletes_nothing() {
    let db = TestDb::empty().await.unwrap();
    migrator(&FILES).to(1).run(db.url()).await.unwrap();
    execute(&db, "INSERT INTO forms (person) SELECT id FROM people").await;
    inline(&FILES).run(db.url()).await.unwrap();
    back(&db, &FILES).await.unwrap();
    assert_eq!((count(&db).await, applied(&db).await.as_str()), (6_000, "1"));
}

#[tokio::test]
async fn the_table_is_the_one_that_was_filled() {
    let db = TestDb::empty().await.unwrap();
    inline(&FILES).run(db.url()).await.unwrap();
    execute(&db, "ALTER TABLE forms RENAME TO \"Old forms\"; CREATE TABLE forms (person bigint PRIMARY KEY); INSERT INTO forms SELECT id FROM people")
        .await;
    back(&db, &FILES).await.unwrap();
    assert_eq!((count(&db).await, value::<i64>(&db, "SELECT count(*) FROM \"Old forms\"").await), (6_000, 0));
}

#[tokio::test]
async fn rows_that_others_refer_to_are_not_lost() {
    let db = TestDb::empty().await.unwrap();
    inline(&FILES).run(db.url()).await.unwrap();
    execute(&db, "INSERT INTO notes VALUES (77, NULL), (NULL, 88)").await;
    // One without an action is set aside; one whose deletion would delete other rows is left.
    let error = back(&db, &FILES).await.unwrap_err().message();
    assert!(error.contains("1 row failed and was set aside"), "{error}");
    assert_eq!((count(&db).await, applied(&db).await.as_str()), (2, "1,2"));
    execute(&db, "DELETE FROM notes WHERE form = 77").await;
    let report = back(&db, &FILES).await.unwrap();
    assert_eq!((count(&db).await, keys(&report.backfills[0])), (1, vec!["88"]));
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM notes").await, 1);
}

#[tokio::test]
async fn rows_stay_if_they_are_left() {
    let db = TestDb::empty().await.unwrap();
    inline(&FILES).run(db.url()).await.unwrap();
    let leave = Rollback { to: 1, leave_rows: vec![2], ..Default::default() };
    migrator(&FILES).rollback(db.url(), &leave).await.unwrap();
    assert_eq!((count(&db).await, applied(&db).await.as_str()), (6_000, "1"));
}

#[tokio::test]
async fn composite_quoted_and_partitioned_keys() {
    for table in [
        "CREATE TABLE app.\"Forms\" (kind text, \"Person's\" bigint, note json, PRIMARY KEY (kind, \"Person's\"))",
        "CREATE TABLE app.\"Forms\" (kind text, \"Person's\" bigint, note json, PRIMARY KEY (kind, \"Person's\")) PARTITION BY LIST (kind); \
         CREATE TABLE app.\"F a\" PARTITION OF app.\"Forms\" FOR VALUES IN ('a'); \
         CREATE TABLE app.\"F b\" PARTITION OF app.\"Forms\" FOR VALUES IN ('b')",
        "CREATE TABLE app.\"Forms\" (kind text NOT NULL, \"Person's\" bigint NOT NULL, note json); \
         CREATE UNIQUE INDEX ON app.\"Forms\" (\"Person's\", kind)",
    ] {
        let db = TestDb::empty().await.unwrap();
        let tables = format!(
            "CREATE SCHEMA app; CREATE TABLE people AS SELECT generate_series(1, 2000) AS id; ALTER TABLE people ADD PRIMARY KEY (id); {table}"
        );
        let files = [
            ("V1__t.sql", tables.as_str()),
            (
                "V2__fill.sql",
                "-- refit: backfill = { table = \"people\", key = [\"id\"], batch = 300, undo = { inserted = \"app.\\\"Forms\\\"\" } }\n\
                 WITH kinds AS (SELECT unnest(ARRAY['a', 'b']) AS kind)\n\
                 INSERT INTO app.\"Forms\" AS f SELECT kind, id, '{\"a\":  1}' FROM people, kinds WHERE id > $1 AND id <= $2 -- all\n;",
            ),
        ];
        inline(&files).run(db.url()).await.unwrap_or_else(|error| panic!("{table}: {error}"));
        execute(&db, "UPDATE app.\"Forms\" SET note = '{\"a\": 1}' WHERE \"Person's\" = 9 AND kind = 'b'; INSERT INTO app.\"Forms\" VALUES ('a', 5000)").await;
        let report = back(&db, &files).await.unwrap_or_else(|error| panic!("{table}: {error}"));
        let job = &report.backfills[0];
        assert_eq!((job.rows_changed, job.changed_since), (3_999, 1), "{table}: {report}");
        let left = "SELECT string_agg(kind || \"Person's\", ' ' ORDER BY kind) FROM app.\"Forms\"";
        assert_eq!(value::<String>(&db, left).await, "a5000 b9");
    }
}

/// Slow enough to be killed in both directions.
const SLOW: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.0003); RETURN coalesce(NEW, OLD); END $$; \
     CREATE TRIGGER slow BEFORE INSERT OR DELETE ON forms FOR EACH ROW EXECUTE FUNCTION slow()";

#[tokio::test]
async fn killed_in_both_directions() {
    let db = TestDb::empty().await.unwrap();
    let table = format!("{}; {SLOW}", TABLES.1);
    let fill = FILL.1.replace("batch = 500", "batch = 100, duration = \"30ms\"");
    let files = [("V1__t.sql", table.as_str()), ("V2__fill.sql", fill.as_str())];
    let folder = folder(&files);
    let changed =
        "SELECT to_regclass('refit.backfill_range') IS NOT NULL AND to_regclass('forms') IS NOT NULL";
    let mut process = boot::work(folder.path(), db.url(), 30.0);
    until("it is registered", async || value::<bool>(&db, changed).await).await;
    until("rows are inserted", async || value::<bool>(&db, "SELECT count(*) > 500 FROM forms").await).await;
    // Rows of the application meanwhile, in the range that is still to be filled and beyond it.
    execute(
        &db,
        "INSERT INTO forms (person, state) VALUES (5999, 'own'), (7000, 'own') ON CONFLICT DO NOTHING",
    )
    .await;
    process.start_kill().unwrap();
    assert!(boot::end(process).await.killed);
    inline(&files).run(db.url()).await.unwrap();
    assert_eq!(count(&db).await, 6_001);
    let own: i64 = value(&db, "SELECT count(*) FROM forms WHERE state = 'own'").await;
    for _ in 0..2 {
        let before = count(&db).await;
        let mut process = boot::go_back(folder.path(), db.url(), 1.0, 1);
        until("rows are deleted", async || {
            count(&db).await < before - 200 || process.try_wait().unwrap().is_some()
        })
        .await;
        process.start_kill().unwrap();
        assert!(boot::end(process).await.killed, "it ended before it was killed");
    }
    assert!(count(&db).await > own);
    let report = back(&db, &files).await.unwrap();
    assert_eq!((count(&db).await, report.backfills[0].rows_changed), (own, 6_001 - own));
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM forms WHERE state <> 'own'").await, 0);
}

#[tokio::test]
async fn what_cannot_be_deleted_again_is_refused() {
    let rows = "SELECT id FROM people WHERE id > $1 AND id <= $2";
    for (fill, expected) in [
        (
            format!("INSERT INTO forms (person) {rows} ON CONFLICT (person) DO UPDATE SET state = 'x'"),
            "ON CONFLICT DO UPDATE changes rows",
        ),
        (format!("INSERT INTO forms (person) {rows} RETURNING person"), "a RETURNING of its own"),
        (
            format!("WITH a AS (DELETE FROM notes) INSERT INTO forms (person) {rows}"),
            "changes rows in `WITH` too",
        ),
        (
            "UPDATE notes SET page = 1 FROM people WHERE id > $1 AND id <= $2".to_owned(),
            "the statement is no INSERT",
        ),
        (format!("INSERT INTO forms (person) {rows}; INSERT INTO notes {rows}"), "several statements"),
        (format!("INSERT INTO notes {rows}"), "and the statement inserts into notes"),
    ] {
        let db = TestDb::empty().await.unwrap();
        let fill = format!(
            "-- refit: backfill = {{ table = \"people\", key = [\"id\"], undo = {{ inserted = \"forms\" }} }}\n{fill};"
        );
        let error = inline(&[TABLES, ("V2__fill.sql", &fill)]).run(db.url()).await.unwrap_err().message();
        assert!(error.contains(expected), "{fill}: {error}");
    }
    for (table, expected) in [
        ("CREATE TABLE forms (person bigint)", "neither a primary key nor a unique one"),
        ("CREATE TABLE forms (person bigint UNIQUE)", "neither a primary key nor a unique one"),
        ("CREATE VIEW forms AS SELECT 1::bigint AS person", "neither a primary key nor a unique one"),
        ("CREATE TABLE form (person bigint)", "which does not exist"),
        (
            "CREATE TABLE forms (person bigint PRIMARY KEY); CREATE TABLE child () INHERITS (forms)",
            "public.child inherit from",
        ),
    ] {
        let db = TestDb::empty().await.unwrap();
        let tables =
            format!("CREATE TABLE people (id bigint PRIMARY KEY); INSERT INTO people VALUES (1); {table}");
        let files = [("V1__t.sql", tables.as_str()), FILL];
        let error = inline(&files).run(db.url()).await.unwrap_err().message();
        assert!(error.contains(expected), "{table}: {error}");
    }
}
