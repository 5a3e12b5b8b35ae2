//! What `apply` guarantees for a step, a run and a boot.

use std::time::Duration;

use refit::{Error, Migrator};
use refit_devdb::TestDb;

use crate::support::{applied, execute, exists, migrator, set, value};

const TWO: [(&str, &str); 2] = [
    ("V1__posts.sql", "CREATE TABLE posts (id bigint PRIMARY KEY, title text);"),
    ("V2__pages.sql", "CREATE TABLE pages (id bigint PRIMARY KEY);\nINSERT INTO pages VALUES (1);"),
];

#[tokio::test]
async fn every_migration_runs_once_on_a_new_database() {
    let db = TestDb::empty().await.unwrap();
    let report = migrator(&TWO).run(db.url()).await.unwrap();
    assert_eq!(report.steps.len(), 2);
    assert_eq!(report.version, Some(2));
    assert_eq!(applied(&db).await, "1,2");
    let again = migrator(&TWO).run(db.url()).await.unwrap();
    assert_eq!((again.steps.len(), again.version, again.run), (0, Some(2), None));
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM pages").await, 1);
    let steps =
        "SELECT string_agg(format('%s %s %s', version, name, outcome), ', ' ORDER BY id) FROM refit.step";
    assert_eq!(value::<String>(&db, steps).await, "1 posts succeeded, 2 pages succeeded");
    assert_eq!(value::<String>(&db, "SELECT outcome FROM refit.run").await, "succeeded");
}

#[tokio::test]
async fn plain_refinery_accepts_the_history() {
    let db = TestDb::empty().await.unwrap();
    migrator(&TWO).run(db.url()).await.unwrap();
    let migrations: Vec<_> = TWO.iter().map(|(path, sql)| refinery_migration(path, sql)).collect();
    let (mut client, connection) = tokio_postgres::connect(db.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let report = refinery_core::Runner::new(&migrations).run_async(&mut client).await.unwrap();
    assert!(report.applied_migrations().is_empty());
}

fn refinery_migration(path: &str, sql: &str) -> refinery_core::Migration {
    refinery_core::Migration::unapplied(path.trim_end_matches(".sql"), sql).unwrap()
}

#[tokio::test]
async fn a_history_of_plain_refinery_is_continued() {
    let db = TestDb::empty().await.unwrap();
    let migrations = [refinery_migration(TWO[0].0, TWO[0].1)];
    let (mut client, connection) = tokio_postgres::connect(db.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    refinery_core::Runner::new(&migrations).run_async(&mut client).await.unwrap();
    let report = migrator(&TWO).run(db.url()).await.unwrap();
    assert_eq!(report.steps.len(), 1);
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn a_failing_step_is_rolled_back_and_reported() {
    let db = TestDb::empty().await.unwrap();
    let mut sql = "CREATE TABLE t (a int);\n".to_owned();
    sql.push_str(&"-- a line\n".repeat(37));
    sql.push_str("ALTER TABLE t\n  ADD COLUMN b nosuchtype;\n");
    let files = [TWO[0], ("V2__bad.sql", sql.as_str())];
    let error = migrator(&files).run(db.url()).await.unwrap_err();
    insta::assert_snapshot!(error);
    assert_eq!(applied(&db).await, "1");
    assert!(!exists(&db, "t").await);
    assert_eq!(value::<String>(&db, "SELECT outcome FROM refit.step WHERE version = 2").await, "failed");
    assert_eq!(value::<String>(&db, "SELECT outcome FROM refit.run").await, "failed");
}

#[tokio::test]
async fn a_run_time_error_names_its_statement() {
    let db = TestDb::empty().await.unwrap();
    let sql = "CREATE TABLE t (a int PRIMARY KEY);\nINSERT INTO t VALUES (1);\n\n-- twice\nINSERT INTO t VALUES (1);";
    let error = migrator(&[("V1__t.sql", sql)]).run(db.url()).await.unwrap_err();
    insta::assert_snapshot!(error);
    assert!(!exists(&db, "t").await);
}

#[tokio::test]
async fn a_constraint_that_fails_at_commit_is_reported() {
    let db = TestDb::empty().await.unwrap();
    let sql = "CREATE TABLE a (id int PRIMARY KEY, b int REFERENCES a DEFERRABLE INITIALLY DEFERRED);\n\
               INSERT INTO a VALUES (1, 2);";
    let error = migrator(&[("V1__a.sql", sql)]).run(db.url()).await.unwrap_err();
    insta::assert_snapshot!(error);
    assert!(!exists(&db, "a").await);
    assert_eq!(applied(&db).await, "");
}

#[tokio::test]
async fn session_changes_of_a_step_end_with_it() {
    let db = TestDb::empty().await.unwrap();
    let dump = "SELECT pg_catalog.set_config('search_path', '', false);\nSET lock_timeout = 0;\nSET ROLE pg_monitor;\n\
                RESET ROLE;\nCREATE TABLE public.dumped (id int);\nSET ROLE pg_monitor;";
    let files = [
        ("V1__dump.sql", dump),
        (
            "V2__next.sql",
            "CREATE TABLE next_table AS SELECT current_setting('search_path') AS p, current_user AS u;",
        ),
    ];
    migrator(&files).run(db.url()).await.unwrap();
    assert!(exists(&db, "public.next_table").await);
    assert_eq!(value::<String>(&db, "SELECT p FROM next_table").await, "\"$user\", public");
    assert_eq!(value::<String>(&db, "SELECT u::text FROM next_table").await, "postgres");
}

#[tokio::test]
async fn the_callers_session_is_restored() {
    let db = TestDb::empty().await.unwrap();
    let client = db.connect().await.unwrap();
    client
        .batch_execute("CREATE SCHEMA app; SET search_path = app, public; SET work_mem = '7MB'")
        .await
        .unwrap();
    migrator(&TWO).apply(&client).await.unwrap();
    let row = client
        .query_one("SELECT current_setting('search_path'), current_setting('work_mem')", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("app, public", "7MB"));
    assert!(exists(&db, "app.posts").await && exists(&db, "app.refinery_schema_history").await);
    let locks: i64 = value(
        &db,
        "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database \
                 WHERE locktype = 'advisory' AND datname = current_database()",
    )
    .await;
    assert_eq!(locks, 0);
}

#[tokio::test]
async fn transaction_control_and_client_copies_are_refused_before_anything_runs() {
    let db = TestDb::empty().await.unwrap();
    for (sql, says) in [
        ("SELECT 1;\nBEGIN;\nSELECT 2;\nCOMMIT;", "V2__x.sql:2:1: `BEGIN`"),
        ("CREATE TABLE c (a int);\nCOPY c FROM STDIN;", "V2__x.sql:2:1: COPY FROM STDIN"),
        ("COPY c (a, b, c, d, e, f, g, h, i, j, k, l) FROM stdin;", "V2__x.sql:1:1: COPY FROM STDIN"),
        ("COPY (SELECT a, b, c, d, e, f, g, h, i, j, k FROM c) TO STDOUT;", "V2__x.sql:1:1: COPY"),
    ] {
        let error = migrator(&[TWO[0], ("V2__x.sql", sql)]).run(db.url()).await.unwrap_err();
        assert!(error.message().starts_with(says), "{error}");
        assert!(!exists(&db, "posts").await);
    }
}

#[tokio::test]
async fn a_commit_in_a_procedure_fails_the_step() {
    let db = TestDb::empty().await.unwrap();
    let sql = "CREATE TABLE t (a int);\nDO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; END $$;";
    let error = migrator(&[("V1__t.sql", sql)]).run(db.url()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("2D000"));
    assert!(!exists(&db, "t").await);
}

#[tokio::test]
async fn repeatable_migrations_run_after_the_others_and_whenever_they_change() {
    let db = TestDb::empty().await.unwrap();
    let view = |value: u32| format!("CREATE OR REPLACE VIEW v AS SELECT {value} AS a, count(*) FROM pages;");
    let files = |text: &str| Migrator::new(set(&[("R__view.sql", text), TWO[0], TWO[1]]));
    let first = files(&view(1)).run(db.url()).await.unwrap();
    assert_eq!(first.steps.last().unwrap().stem, "R__view");
    assert_eq!(files(&view(1)).run(db.url()).await.unwrap().steps.len(), 0);
    assert_eq!(files(&view(2)).run(db.url()).await.unwrap().steps.len(), 1);
    assert_eq!(value::<i32>(&db, "SELECT a FROM v").await, 2);
    assert_eq!(files(&view(2)).run(db.url()).await.unwrap().run, None);
}

#[tokio::test]
async fn a_held_lock_delays_the_step_and_its_holder_is_named() {
    let db = TestDb::empty().await.unwrap();
    migrator(&TWO).run(db.url()).await.unwrap();
    let reader = db.connect().await.unwrap();
    reader.batch_execute("SET application_name = 'slow report'; BEGIN; SELECT * FROM posts").await.unwrap();
    let files = [TWO[0], TWO[1], ("V3__alter.sql", "ALTER TABLE posts ADD COLUMN b int;")];
    let impatient = || migrator(&files).lock_timeout(Duration::from_millis(100));
    let error = impatient().lock_attempts(2).run(db.url()).await.unwrap_err();
    let text = error.message();
    assert!(text.contains("55P03") && text.contains("after 2 attempts"), "{text}");
    assert!(text.contains("slow report") && text.contains("posts"), "{text}");
    let waiting = tokio::spawn({
        let migrator = impatient();
        let url = db.url().to_owned();
        async move { migrator.run(&url).await }
    });
    tokio::time::sleep(Duration::from_millis(600)).await;
    reader.batch_execute("COMMIT").await.unwrap();
    let report = waiting.await.unwrap().unwrap();
    assert!(report.steps[0].attempts > 1, "{report}");
    assert_eq!(applied(&db).await, "1,2,3");
}

/// Deferred constraints are checked after the text, and then wait for locks.
#[tokio::test]
async fn the_lock_timeout_also_applies_at_commit() {
    let db = TestDb::empty().await.unwrap();
    execute(
        &db,
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1); CREATE TABLE hot (a int); \
         CREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    let holder = db.connect().await.unwrap();
    holder.batch_execute("BEGIN; DELETE FROM parent").await.unwrap();
    let files = [("V1__child.sql", "LOCK TABLE hot; INSERT INTO child VALUES (1);")];
    let migrator = migrator(&files).lock_timeout(Duration::from_millis(100)).lock_attempts(2);
    let error = migrator.run(db.url()).await.unwrap_err().message();
    assert!(error.contains("55P03") && error.contains("after 2 attempts"), "{error}");
    holder.batch_execute("ROLLBACK").await.unwrap();
    migrator.run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn gated_steps_are_held_back_and_the_others_run() {
    let db = TestDb::empty().await.unwrap();
    let files = [
        ("V1__a.sql", "CREATE TABLE a (id int);"),
        ("V2__manual.sql", "-- refit: manual = true\nCREATE TABLE manual (id int);"),
        ("V3__after.sql", "-- refit: after = [\"V2\"]\nCREATE TABLE after_manual (id int);"),
        ("V4__dev.sql", "-- refit: environments = [\"development\"]\nCREATE TABLE dev (id int);"),
        ("V5__e.sql", "CREATE TABLE e (id int);"),
    ];
    let report = migrator(&files).run(db.url()).await.unwrap();
    let held: Vec<_> = report.held.iter().map(|step| step.version).collect();
    assert_eq!((report.steps.len(), held), (2, vec![Some(2), Some(3)]));
    assert!(migrator(&files).plan(&db.connect().await.unwrap()).await.unwrap().is_up_to_date());
    migrator(&files).include(2).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3,5");
    assert!(!exists(&db, "dev").await);
    migrator(&files).environment("development").run(db.url()).await.unwrap();
    assert!(exists(&db, "dev").await);
    let error = migrator(&files).include(9).run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::Target(_)), "{error}");
}

#[tokio::test]
async fn a_run_stops_at_its_target() {
    let db = TestDb::empty().await.unwrap();
    migrator(&TWO).to(1).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1");
    let error = migrator(&TWO).to(7).run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::Target(_)), "{error}");
    execute(&db, "SELECT 1").await;
}
