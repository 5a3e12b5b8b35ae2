//! Schemas and tables that are renamed: a job stays with its table, a lock with its history.

use std::time::Duration;

use refit::backfill::{Request, request};
use refit::{Backfills, Error, Rollback};
use refit_devdb::TestDb;

use crate::support::{execute, execute_at, exists, migrator, state, until, value, value_at};

/// The URL of a session with another search path.
fn at(url: &str, path: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}options=-c%20search_path%3D{path}")
}

const VISIT: (&str, &str) = (
    "V1__visit.sql",
    "CREATE TABLE visit (id bigint PRIMARY KEY, n int NOT NULL);\n\
     INSERT INTO visit SELECT g, 1 FROM generate_series(1, 300) g;\n\
     CREATE FUNCTION step() RETURNS int LANGUAGE sql AS 'SELECT 1';",
);
/// Waits for 10 ms in each row.
const SLOW: (&str, &str) = (
    "V2__count.sql",
    "-- refit: backfill = { table = \"visit\", key = [\"id\"], batch = 20, undo = [\"n\"] }\n\
     UPDATE visit SET n = n + step() WHERE id > $1 AND id <= $2 AND pg_sleep(0.01) IS NOT NULL;",
);
const COUNT: (&str, &str) = (
    "V2__count.sql",
    "-- refit: backfill = { table = \"visit\", key = [\"id\"], batch = 20, undo = [\"n\"] }\n\
     UPDATE visit SET n = n + step() WHERE id > $1 AND id <= $2;",
);

/// Another schema takes the name, with a similar table whose rows must not change.
const TAKE_NAME: &str = "ALTER SCHEMA a RENAME TO \"B, c\"; CREATE SCHEMA a; \
    CREATE TABLE a.visit (id bigint PRIMARY KEY, n int NOT NULL); INSERT INTO a.visit SELECT g, 2 FROM generate_series(1, 300) g; \
    CREATE FUNCTION a.step() RETURNS int LANGUAGE sql AS 'SELECT 100'";
const RENAMED: &str = "%22B%2C%5C%20c%22";

/// The sums of the renamed table and of the one that has its name now.
async fn sums(db: &TestDb) -> String {
    value(db, "SELECT (SELECT sum(n) FROM \"B, c\".visit) || ' ' || (SELECT sum(n) FROM a.visit)").await
}

async fn new() -> TestDb {
    let db = TestDb::empty().await.unwrap();
    execute(&db, "CREATE SCHEMA a").await;
    db
}

#[tokio::test]
async fn a_registered_backfill_stays_with_its_table() {
    let db = new().await;
    let files = [VISIT, COUNT];
    migrator(&files).backfills(Backfills::Hold).run(&at(db.url(), "a")).await.unwrap();
    execute(&db, TAKE_NAME).await;
    let inline = migrator(&files).backfills(Backfills::Inline);
    inline.run(&at(db.url(), RENAMED)).await.unwrap();
    assert_eq!(sums(&db).await, "600 600");
    let rollback = Rollback { to: 1, ..Default::default() };
    // The schema has its name again, after yet another one.
    execute(&db, "ALTER SCHEMA a RENAME TO other; ALTER SCHEMA \"B, c\" RENAME TO a").await;
    inline.rollback(&at(db.url(), "a"), &rollback).await.unwrap();
    let sums = "SELECT (SELECT sum(n) FROM a.visit) || ' ' || (SELECT sum(n) FROM other.visit)";
    assert_eq!(value::<String>(&db, sums).await, "300 600");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_backfill_stays_with_its_table() {
    let db = new().await;
    let slow = migrator(&[VISIT, SLOW]).backfills(Backfills::Inline);
    let url = at(db.url(), "a");
    let working = tokio::spawn(async move { slow.run(&url).await });
    let begun = "SELECT coalesce(sum(rows_walked), 0)::int8 FROM refit.backfill_range";
    until("some batches are committed", async || {
        exists(&db, "refit.backfill_range").await && value::<i64>(&db, begun).await > 40
    })
    .await;
    execute(&db, TAKE_NAME).await;
    // Whatever the outcome of the process whose search path has the old name, each row is changed once.
    working.await.unwrap().ok();
    migrator(&[VISIT, SLOW]).backfills(Backfills::Inline).run(&at(db.url(), RENAMED)).await.unwrap();
    assert_eq!(sums(&db).await, "600 600");
    let names = "SELECT string_agg(DISTINCT relation, ' ') FROM refit.backfill_range";
    assert_eq!(value::<String>(&db, names).await, "\"B, c\".visit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_rollback_stays_with_its_table() {
    let db = new().await;
    let inline = migrator(&[VISIT, COUNT]).backfills(Backfills::Inline);
    inline.run(&at(db.url(), "a")).await.unwrap();
    // The first batch of the undo waits for a row.
    let holder = db.connect().await.unwrap();
    holder.batch_execute("BEGIN; SELECT FROM a.visit WHERE id = 1 FOR UPDATE").await.unwrap();
    let (url, rollback) = (at(db.url(), "a"), Rollback { to: 1, ..Default::default() });
    let waiting = "SELECT count(*) FROM refit.backfill_range r JOIN refit.backfill b ON b.id = backfill_id \
                   WHERE kind = 'undo' AND leased_until IS NOT NULL";
    let renaming = async {
        until("the first batch waits", async || value::<i64>(&db, waiting).await > 0).await;
        execute(&db, TAKE_NAME).await;
        holder.batch_execute("COMMIT").await.unwrap();
    };
    // The history's table was renamed with its schema: the step of the down file fails, and another call resumes.
    tokio::join!(inline.rollback(&url, &rollback), renaming).0.ok();
    inline.rollback(&at(db.url(), RENAMED), &rollback).await.unwrap();
    assert_eq!(sums(&db).await, "300 600");
    let applied = "SELECT count(*) FROM \"B, c\".refinery_schema_history";
    assert_eq!(value::<i64>(&db, applied).await, 1);
}

#[tokio::test]
async fn rows_set_aside_are_retried_in_their_own_table() {
    let db = new().await;
    let checked =
        ("V1__visit.sql", &*format!("{}\nALTER TABLE visit ADD CHECK (id <> 7 OR n = 1);", VISIT.1));
    let tolerant = COUNT.1.replace("batch = 20", "batch = 20, errors = 5, error_percent = 50");
    let files = [checked, (COUNT.0, &*tolerant)];
    let inline = migrator(&files).backfills(Backfills::Inline);
    inline.run(&at(db.url(), "a")).await.unwrap_err();
    execute(&db, TAKE_NAME).await;
    execute(&db, "ALTER TABLE \"B, c\".visit DROP CONSTRAINT visit_check").await;
    let url = at(db.url(), RENAMED);
    let client = refit::connect(&url, &refit::ConnectOptions::default()).await.unwrap();
    request(&client, &state(&client).await, 2, Request::Retry).await.unwrap();
    inline.run(&url).await.unwrap();
    assert_eq!(sums(&db).await, "600 600");
}

#[tokio::test]
async fn a_renamed_table_is_completed() {
    let db = TestDb::empty().await.unwrap();
    let files = [VISIT, COUNT];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    execute(&db, "ALTER TABLE visit RENAME TO visits; CREATE TABLE visit (id bigint PRIMARY KEY, n int)")
        .await;
    execute(&db, "INSERT INTO visit VALUES (1, 1)").await;
    // The job's statement names the other table: neither is changed.
    let error = migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("public.visits"), "{error}");
    let sums = "SELECT (SELECT sum(n) FROM visits) || ' ' || (SELECT sum(n) FROM visit)";
    assert_eq!(value::<String>(&db, sums).await, "300 1");
    execute(&db, "DROP TABLE visit; ALTER TABLE visits RENAME TO visit").await;
    let client = db.connect().await.unwrap();
    request(&client, &state(&client).await, 2, Request::Resume).await.unwrap();
    migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM visit").await, 600);
}

/// Another table takes the name while batches run, one of which waits for the lock of the transaction that swaps the tables.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_swapped_while_batches_run_is_completed() {
    let db = TestDb::empty().await.unwrap();
    let table = (
        "V1__visit.sql",
        "CREATE TABLE visit (id bigint PRIMARY KEY, n int NOT NULL);\nINSERT INTO visit SELECT g, 1 FROM generate_series(1, 300) g;\n\
         CREATE TABLE visit_new (id bigint PRIMARY KEY, n int NOT NULL);\nINSERT INTO visit_new SELECT g, 500 FROM generate_series(1, 300) g;",
    );
    let slow = (
        "V2__count.sql",
        "-- refit: backfill = { table = \"visit\", key = [\"id\"], batch = 10, workers = 1 }\n\
         UPDATE visit SET n = n + 1 WHERE id > $1 AND id <= $2 AND pg_sleep(0.005) IS NOT NULL;",
    );
    let inline = migrator(&[table, slow]).backfills(Backfills::Inline);
    let begun = "SELECT coalesce(sum(rows_walked), 0)::int8 FROM refit.backfill_range";
    let swapping = async {
        until("some batches are committed", async || {
            exists(&db, "refit.backfill_range").await && value::<i64>(&db, begun).await > 40
        })
        .await;
        let client = db.connect().await.unwrap();
        client.batch_execute("BEGIN; LOCK TABLE visit IN SHARE MODE").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let swap = "ALTER TABLE visit RENAME TO visit_old; ALTER TABLE visit_new RENAME TO visit; COMMIT";
        client.batch_execute(swap).await.unwrap();
    };
    tokio::join!(inline.run(db.url()), swapping).0.unwrap();
    let sums = "SELECT (SELECT sum(n) FROM visit_old) || ' ' || (SELECT sum(n) FROM visit)";
    assert_eq!(value::<String>(&db, sums).await, "600 150000");
}

/// No other object takes the old name: the job continues under the new one.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_and_schemas_renamed_while_batches_run_are_completed() {
    for rename in ["ALTER SCHEMA a RENAME TO \"B, c\"", "ALTER TABLE a.visit_2 RENAME TO other"] {
        let db = new().await;
        let table = (
            "V1__visit.sql",
            "CREATE TABLE visit (id bigint PRIMARY KEY, n int NOT NULL) PARTITION BY RANGE (id);\n\
             CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (0) TO (151);\n\
             CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM (151) TO (301);\n\
             INSERT INTO visit SELECT g, 1 FROM generate_series(1, 300) g;\n\
             CREATE FUNCTION step() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        );
        let files = [table, (SLOW.0, &*SLOW.1.replace(", undo = [\"n\"]", ""))];
        let inline = migrator(&files).backfills(Backfills::Inline);
        let url = at(db.url(), "a");
        let begun = "SELECT coalesce(sum(rows_walked), 0)::int8 FROM refit.backfill_range";
        let renaming = async {
            until("some batches are committed", async || {
                exists(&db, "refit.backfill_range").await && value::<i64>(&db, begun).await > 40
            })
            .await;
            execute(&db, rename).await;
        };
        tokio::join!(inline.run(&url), renaming).0.ok();
        let path = if rename.starts_with("ALTER SCHEMA") { RENAMED } else { "a" };
        inline.run(&at(db.url(), path)).await.unwrap();
        let schema = if path == "a" { "a" } else { "\"B, c\"" };
        assert_eq!(value::<i64>(&db, &format!("SELECT sum(n) FROM {schema}.visit")).await, 600, "{rename}");
        let ended = "SELECT string_agg(state || coalesce(': ' || error, ''), ', ') FROM refit.backfill";
        assert_eq!(value::<String>(&db, ended).await, "complete", "{rename}");
    }
}

/// A table that a down file creates again is found in the history's schema, whatever the schema's name is now.
#[tokio::test]
async fn a_dropped_table_is_not_looked_up_in_another_schema() {
    let db = new().await;
    let drop = ("V3__drop.sql", "-- refit: after = [\"V2\"]\nDROP TABLE visit;");
    let again = (
        "V3__drop.down.sql",
        "CREATE TABLE visit (id bigint PRIMARY KEY, n int NOT NULL); INSERT INTO visit SELECT g, 2 FROM generate_series(1, 300) g;",
    );
    let inline = migrator(&[VISIT, COUNT, drop, again]).backfills(Backfills::Inline);
    inline.run(&at(db.url(), "a")).await.unwrap();
    execute(&db, TAKE_NAME).await;
    inline.rollback(&at(db.url(), RENAMED), &Rollback { to: 1, ..Default::default() }).await.unwrap();
    assert_eq!(sums(&db).await, "300 600");
}

/// A table that moves to another schema does not change the search path.
#[tokio::test]
async fn a_moved_table_does_not_change_the_search_path() {
    let db = new().await;
    execute(
        &db,
        "CREATE SCHEMA archive; CREATE FUNCTION archive.step() RETURNS int LANGUAGE sql AS 'SELECT 100'",
    )
    .await;
    let files = [VISIT, COUNT];
    migrator(&files).backfills(Backfills::Hold).run(&at(db.url(), "a")).await.unwrap();
    execute(
        &db,
        "ALTER TABLE a.visit SET SCHEMA archive; CREATE VIEW a.visit AS SELECT * FROM archive.visit",
    )
    .await;
    migrator(&files).backfills(Backfills::Inline).run(&at(db.url(), "a")).await.ok();
    let values = "SELECT string_agg(DISTINCT n::text, ' ') FROM archive.visit";
    assert_ne!(value::<String>(&db, values).await, "101");
}

/// Runs on other histories neither wait for one whose schema was renamed nor need privileges on it.
#[tokio::test]
async fn other_histories_are_not_affected() {
    let db = new().await;
    let files = [VISIT, COUNT];
    migrator(&files).backfills(Backfills::Hold).run(&at(db.url(), "a")).await.unwrap();
    execute(&db, "ALTER SCHEMA a RENAME TO b; CREATE SCHEMA a; CREATE SCHEMA c").await;
    let holder = db.connect().await.unwrap();
    holder.batch_execute("BEGIN; SELECT FROM refit.backfill FOR UPDATE").await.unwrap();
    for schema in ["a", "c"] {
        migrator(&[VISIT]).run(&at(db.url(), schema)).await.unwrap();
    }
    holder.batch_execute("COMMIT").await.unwrap();
    migrator(&files).backfills(Backfills::Inline).run(&at(db.url(), "b")).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM b.visit").await, 600);
}

/// With nothing to apply, an outdated name is left to a session that may write it.
#[tokio::test]
async fn a_read_only_session_needs_no_update_of_names() {
    let db = new().await;
    let all = migrator(&[VISIT, COUNT]).backfills(Backfills::Inline);
    all.run(&at(db.url(), "a")).await.unwrap();
    execute(&db, "ALTER SCHEMA a RENAME TO b").await;
    let reads = format!("{}%20-c%20default_transaction_read_only%3Don", at(db.url(), "b"));
    all.run(&reads).await.unwrap();
    all.run_backfills(&reads).await.unwrap();
}

/// A step whose text releases the session's locks holds both keys until its transaction ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_releases_all_locks_keeps_the_migration_lock() {
    let db = new().await;
    let first = migrator(&[VISIT]);
    first.run(&at(db.url(), "a")).await.unwrap();
    let unlocks = ("V2__slow.sql", "SELECT pg_advisory_unlock_all(); SELECT pg_sleep(3);");
    let (running, url) = (migrator(&[VISIT, unlocks]), at(db.url(), "a"));
    let run = tokio::spawn(async move { running.run(&url).await });
    let sleeps =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    until("the step runs", async || value::<i64>(&db, sleeps).await == 1).await;
    execute(&db, "ALTER SCHEMA a RENAME TO b").await;
    let impatient = migrator(&[VISIT, unlocks]).wait_for_lock(Duration::from_millis(300));
    let error = impatient.run(&at(db.url(), "b")).await.unwrap_err();
    assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
    run.await.unwrap().ok();
}

/// A restored database has other OIDs, or the OIDs belong to other tables.
#[tokio::test]
async fn a_restored_state_is_matched_by_names() {
    let db = TestDb::empty().await.unwrap();
    let files = [VISIT, COUNT];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    execute(
        &db,
        "CREATE TABLE other (id bigint PRIMARY KEY, n int NOT NULL); INSERT INTO other VALUES (1, 1)",
    )
    .await;
    execute(
        &db,
        "UPDATE refit.history SET registry = 1; UPDATE refit.backfill SET relation_oid = 'other'::regclass",
    )
    .await;
    migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    let sums = "SELECT (SELECT sum(n) FROM visit) || ' ' || (SELECT sum(n) FROM other)";
    assert_eq!(value::<String>(&db, sums).await, "600 1");
}

/// A state as the previous release wrote it, with names only.
#[tokio::test]
async fn a_state_without_oids_is_upgraded() {
    let db = TestDb::empty().await.unwrap();
    let files = [VISIT, COUNT];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let before = "ALTER TABLE refit.repeatable DROP COLUMN relation; ALTER TABLE refit.backfill DROP COLUMN relation_oid; ALTER TABLE refit.backfill_range DROP COLUMN relation_oid; \
                  ALTER TABLE refit.backfill DROP COLUMN schema_oid, DROP COLUMN targets; \
                  ALTER TABLE refit.run DROP COLUMN override_reason, DROP COLUMN overridden, DROP COLUMN release, DROP COLUMN waited, \
                      DROP COLUMN held, DROP COLUMN warnings, DROP COLUMN budgets; \
                  ALTER TABLE refit.step DROP COLUMN file, DROP COLUMN lock_waits, DROP COLUMN notices; \
                  ALTER TABLE refit.backfill RENAME requested TO wanted; ALTER TABLE refit.backfill_range RENAME retry_reason TO trouble; \
                  ALTER TABLE refit.backfill RENAME CONSTRAINT backfill_requested_check TO backfill_wanted_check; COMMENT ON SCHEMA refit IS 'refit state: runs 2, backfill 2; as it was'";
    execute(&db, before).await;
    let inline = migrator(&files).backfills(Backfills::Inline);
    assert!(inline.plan(&db.connect().await.unwrap()).await.unwrap().outdated);
    inline.run(db.url()).await.unwrap();
    let known = "SELECT bool_and(b.relation_oid = 'visit'::regclass AND r.relation_oid = b.relation_oid) \
                 FROM refit.backfill b JOIN refit.backfill_range r ON b.id = backfill_id";
    assert!(value::<bool>(&db, known).await);
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM visit").await, 600);
}

/// Two runs on one history never overlap, even if its schema is renamed between them.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_one_that_began_before_a_rename() {
    let db = new().await;
    let first = migrator(&[VISIT]);
    first.run(&at(db.url(), "a")).await.unwrap();
    let holder = refit::connect(&at(db.url(), "a"), &refit::ConnectOptions::default()).await.unwrap();
    let lock = first.lock(&holder).await.unwrap();
    execute(&db, "ALTER SCHEMA a RENAME TO b").await;
    let more = [VISIT, ("V2__more.sql", "CREATE TABLE more (id int);")];
    let impatient = migrator(&more).wait_for_lock(Duration::from_millis(300));
    let error = impatient.run(&at(db.url(), "b")).await.unwrap_err();
    assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
    lock.release(&holder).await;
    impatient.run(&at(db.url(), "b")).await.unwrap();
    assert!(exists(&db, "b.more").await);
    // Another history can use the old name immediately.
    execute_at(db.url(), "CREATE SCHEMA a").await;
    impatient.run(&at(db.url(), "a")).await.unwrap();
    assert_eq!(value_at::<i64>(&at(db.url(), "a"), "SELECT count(*) FROM visit").await, 300);
}

/// The first run of a history also holds the lock that is derived from the table that it has created.
#[tokio::test(flavor = "multi_thread")]
async fn the_run_that_creates_the_history_holds_its_lock() {
    let db = new().await;
    let slow =
        [("V1__slow.sql", "-- refit: transaction = false\nSELECT pg_sleep(3);\nCREATE TABLE done (id int);")];
    let (running, url) = (migrator(&slow), at(db.url(), "a"));
    let run = tokio::spawn(async move { running.run(&url).await });
    until("the first run has begun", async || exists(&db, "refit.step").await).await;
    execute(&db, "ALTER SCHEMA a RENAME TO b").await;
    let impatient = migrator(&slow).wait_for_lock(Duration::from_millis(300));
    let error = impatient.run(&at(db.url(), "b")).await.unwrap_err();
    assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
    run.await.unwrap().ok();
    assert_eq!(crate::support::advisory_locks(&db).await, 0);
}
