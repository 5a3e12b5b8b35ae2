//! Steps outside a transaction resume after an interruption.

use std::time::Duration;

use refit::{Error, Event};
use refit_devdb::TestDb;

use crate::support::{applied, execute, exists, migrator, until, value};

const TABLE: (&str, &str) = (
    "V1__t.sql",
    "CREATE TABLE t (id int, a int);\nINSERT INTO t SELECT i, i FROM generate_series(1, 100) i;",
);
const INDEX: (&str, &str) = (
    "V2__ix.sql",
    "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY t_a ON t (a);\nCREATE TABLE after_index (id int);\n",
);

#[tokio::test]
async fn an_index_is_built_concurrently() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[TABLE, INDEX]).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
    assert!(value::<bool>(&db, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass").await);
    assert!(exists(&db, "after_index").await);
    assert_eq!(value::<i32>(&db, "SELECT statements_done FROM refit.step WHERE version = 2").await, 2);
}

#[tokio::test]
async fn the_next_attempt_continues_at_the_failed_statement() {
    let db = TestDb::empty().await.unwrap();
    let text = "-- refit: transaction = false\nINSERT INTO t VALUES (1000, 1);\nCREATE UNIQUE INDEX CONCURRENTLY t_id ON t (id);";
    migrator(&[TABLE]).run(db.url()).await.unwrap();
    execute(&db, "INSERT INTO t VALUES (7, 7)").await;
    let error = migrator(&[TABLE, ("V2__u.sql", text)]).run(db.url()).await.unwrap_err();
    insta::assert_snapshot!(error);
    assert_eq!(applied(&db).await, "1");
    execute(&db, "DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t WHERE id = 7)").await;
    migrator(&[TABLE, ("V2__u.sql", text)]).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE id = 1000").await, 1, "ran once");
}

#[tokio::test]
async fn an_index_created_by_hand_is_an_error_in_every_attempt() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[TABLE]).run(db.url()).await.unwrap();
    execute(&db, "CREATE INDEX t_a ON t (id)").await;
    for _ in 0..2 {
        let error = migrator(&[TABLE, INDEX]).run(db.url()).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("42P07"), "{error}");
    }
}

#[tokio::test]
async fn a_completed_index_that_was_not_recorded_is_recognised() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[TABLE]).run(db.url()).await.unwrap();
    let set = crate::support::set(&[TABLE, INDEX]);
    let checksum = set.migration(2).unwrap().checksum;
    // The process exited after the build and before the count: the step is still "running".
    execute(
        &db,
        &format!(
            "CREATE INDEX t_a ON t (a); INSERT INTO refit.step (run_id, kind, version, name, checksum, outcome, statements_done, \
                                                                    statement_begun, leftovers) \
             SELECT id, 'versioned', 2, 'ix', '{checksum}', 'running', 0, 1, '{{}}' FROM refit.run"
        ),
    )
    .await;
    migrator(&[TABLE, INDEX]).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn session_settings_apply_to_later_statements() {
    let db = TestDb::empty().await.unwrap();
    let text = "-- refit: transaction = false\nSET search_path = pg_temp, public;\nSET work_mem = '9MB';\n\
                CREATE TABLE public.seen AS SELECT current_setting('work_mem') AS w;\nVACUUM public.seen;";
    let next = ("V2__next.sql", "CREATE TABLE later AS SELECT current_setting('work_mem') AS w;");
    migrator(&[("V1__s.sql", text), next]).run(db.url()).await.unwrap();
    assert_eq!(value::<String>(&db, "SELECT w FROM seen").await, "9MB");
    assert_ne!(value::<String>(&db, "SELECT w FROM later").await, "9MB");
}

/// Leaves V2 unfinished, with its first statement complete.
async fn half_done(db: &TestDb) -> String {
    let text = "-- refit: transaction = false\nINSERT INTO t VALUES (1000, 1);\nCREATE UNIQUE INDEX CONCURRENTLY t_id ON nowhere (id);";
    migrator(&[TABLE]).run(db.url()).await.unwrap();
    migrator(&[TABLE, ("V2__u.sql", text)]).run(db.url()).await.unwrap_err();
    text.to_owned()
}

#[tokio::test]
async fn a_file_fixed_after_the_failed_statement_resumes_there() {
    let db = TestDb::empty().await.unwrap();
    let fixed = half_done(&db).await.replace("nowhere", "t");
    // Settings may be added before completed statements, since they are not counted.
    let fixed = fixed.replace("INSERT", "SET work_mem = '9MB';\nINSERT");
    migrator(&[TABLE, ("V2__u.sql", &fixed)]).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE id = 1000").await, 1, "ran once");
    assert!(exists(&db, "t_id").await);
}

#[tokio::test]
async fn edited_completed_statements_are_refused() {
    let db = TestDb::empty().await.unwrap();
    let text = half_done(&db).await;
    let edited = text.replace("1000", "2000").replace("nowhere", "t");
    let error = migrator(&[TABLE, ("V2__u.sql", &edited)]).run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::EditedWhileHalfDone { done: 1, .. }), "{error}");
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE id >= 1000").await, 1);
    assert_eq!(applied(&db).await, "1");
    // As the error says: with the statements restored, the step resumes.
    let restored = text.replace("nowhere", "t");
    migrator(&[TABLE, ("V2__u.sql", &restored)]).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE id >= 1000").await, 1);
}

#[tokio::test]
async fn a_role_that_the_file_sets_needs_no_rights_on_the_state() {
    let db = TestDb::empty().await.unwrap();
    let role = format!("owner_in_{}", db.name());
    execute(&db, &format!("CREATE ROLE {role}; CREATE SCHEMA s AUTHORIZATION {role}")).await;
    let text = |take: &str, number: u32| {
        format!(
            "-- refit: transaction = false\n{take} {role};\nCREATE TABLE s.t{number} (id int);\n\
             CREATE INDEX CONCURRENTLY t{number}_id ON s.t{number} (id);\nCREATE TABLE s.u{number} (id int);"
        )
    };
    let (first, second) = (text("SET ROLE", 1), text("SET SESSION AUTHORIZATION", 2));
    let third = "CREATE TABLE back AS SELECT current_user::text AS u";
    let files =
        [("V1__role.sql", first.as_str()), ("V2__user.sql", second.as_str()), ("V3__back.sql", third)];
    migrator(&files).run(db.url()).await.unwrap();
    let owners = "SELECT string_agg(DISTINCT relowner::regrole::text, ',') FROM pg_class WHERE relnamespace = 's'::regnamespace";
    assert_eq!(value::<String>(&db, owners).await, role, "the role applies to the end of the file");
    assert_eq!(value::<String>(&db, "SELECT u FROM back").await, "postgres");
}

#[tokio::test]
async fn a_retried_statement_has_the_same_session_settings() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, "CREATE SCHEMA app; CREATE TABLE app.busy (a int); CREATE TABLE busy (a int)").await;
    let text = "-- refit: transaction = false\nSELECT set_config('search_path', 'app', false);\nALTER TABLE busy ADD COLUMN b int;\n\
                ALTER TABLE busy ADD COLUMN c int;";
    let reader = db.connect().await.unwrap();
    reader.batch_execute("BEGIN; SELECT * FROM app.busy").await.unwrap();
    let (retried, mut events) = tokio::sync::mpsc::unbounded_channel();
    let migrator =
        migrator(&[("V1__busy.sql", text)]).lock_timeout(Duration::from_millis(50)).observe(move |event| {
            if let Event::StepRetried { .. } = event {
                retried.send(()).ok();
            }
        });
    let url = db.url().to_owned();
    let run = tokio::spawn(async move { migrator.run(&url).await });
    events.recv().await.unwrap();
    reader.batch_execute("COMMIT").await.unwrap();
    assert!(run.await.unwrap().unwrap().steps[0].attempts > 1);
    let columns = "SELECT string_agg(format('%s.%s', table_schema, column_name), ',' ORDER BY column_name) \
                   FROM information_schema.columns WHERE table_name = 'busy' AND column_name <> 'a'";
    assert_eq!(value::<String>(&db, columns).await, "app.b,app.c");
}

#[tokio::test]
async fn a_block_that_commits_runs_and_another_is_atomic() {
    let db = TestDb::empty().await.unwrap();
    let commits = "-- refit: transaction = false\nSET work_mem = '9MB';\nDO $$ BEGIN FOR i IN 1..3 LOOP \
                   INSERT INTO t VALUES (i, current_setting('work_mem') = '9MB', pg_current_xact_id()::text); COMMIT; END LOOP; END $$;";
    let one = "CREATE TABLE t (i int, kept bool, xact text);";
    migrator(&[("V1__t.sql", one), ("V2__commits.sql", commits)]).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(DISTINCT xact) FROM t WHERE kept").await, 3);
    let fails = "-- refit: transaction = false\nDO $$ BEGIN INSERT INTO t VALUES (4); END $$;\nDO $$ BEGIN INSERT INTO t VALUES (5); RAISE 'no'; END $$;";
    let files = [("V1__t.sql", one), ("V2__commits.sql", commits), ("V3__fails.sql", fails)];
    for _ in 0..2 {
        migrator(&files).run(db.url()).await.unwrap_err();
        assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE i > 3").await, 1);
    }
}

#[tokio::test]
async fn statements_that_cannot_be_resumed_are_refused_first() {
    let db = TestDb::empty().await.unwrap();
    for (statement, says) in [
        ("CREATE INDEX CONCURRENTLY ON t (a);", "V2__x.sql:2:1: an index without a name"),
        ("CREATE TEMP TABLE x (a int);", "V2__x.sql:2:1: a temporary object"),
    ] {
        let text = format!("-- refit: transaction = false\n{statement}");
        let error = migrator(&[TABLE, ("V2__x.sql", &text)]).run(db.url()).await.unwrap_err();
        assert!(error.message().starts_with(says), "{error}");
        assert!(!exists(&db, "t").await);
    }
}

#[tokio::test]
async fn indexes_left_by_an_interrupted_reindex_are_dropped() {
    let db = TestDb::empty().await.unwrap();
    let index = ("V2__ix.sql", "CREATE UNIQUE INDEX t_id ON t (id);");
    let reindex = ("V3__re.sql", "-- refit: transaction = false\nREINDEX INDEX CONCURRENTLY t_id;");
    migrator(&[TABLE, index]).run(db.url()).await.unwrap();
    let old = db.connect().await.unwrap();
    old.batch_execute("BEGIN; INSERT INTO t VALUES (0)").await.unwrap();
    let (migrator_, url) = (migrator(&[TABLE, index, reindex]), db.url().to_owned());
    let run = tokio::spawn(async move { migrator_.run(&url).await });
    let left = "SELECT count(*) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname ~ '_ccnew'";
    until("the new index exists", async || value::<i64>(&db, left).await == 1).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'REINDEX%'";
    execute(&db, end).await;
    run.await.unwrap().unwrap_err();
    old.batch_execute("COMMIT").await.unwrap();
    assert_eq!(value::<i64>(&db, left).await, 1, "an interrupted REINDEX leaves an invalid index");
    migrator(&[TABLE, index, reindex]).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, left).await, 0);
}

/// A failure between statements is recorded like a failed statement, and the role that the text set is reset.
#[tokio::test]
async fn a_failure_between_statements_is_recorded() {
    let db = TestDb::empty().await.unwrap();
    execute(
        &db,
        "CREATE ROLE by_statement_app; GRANT CREATE, USAGE ON SCHEMA public TO by_statement_app; \
         CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)",
    )
    .await;
    let client = db.connect().await.unwrap();
    // An invalid index that another tool left.
    client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a)").await.unwrap_err();
    let files = [(
        "V1__i.sql",
        "-- refit: transaction = false\nSET ROLE by_statement_app;\nCREATE INDEX CONCURRENTLY t_a ON t (a);",
    )];
    let error = migrator(&files).apply(&client).await.unwrap_err().message();
    assert!(error.contains("index public.t_a exists and is invalid"), "{error}");
    let row = client
        .query_one(
            "SELECT current_user::text, (SELECT outcome FROM refit.step), (SELECT outcome FROM refit.run), \
                    (SELECT error LIKE '%exists and is invalid%' FROM refit.step)",
            &[],
        )
        .await
        .unwrap();
    let found: (String, String, String, bool) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!(found, ("postgres".to_owned(), "failed".to_owned(), "failed".to_owned(), true));
    execute(&db, "DROP OWNED BY by_statement_app; DROP ROLE by_statement_app").await;
}
