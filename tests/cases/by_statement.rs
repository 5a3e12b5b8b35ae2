//! Steps outside a transaction: interrupted, they go on.

use refit_devdb::TestDb;

use crate::support::{applied, execute, exists, migrator, value};

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
async fn an_invalid_index_of_an_interrupted_attempt_is_mended() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[TABLE]).run(db.url()).await.unwrap();
    // What an interrupted build leaves, made by a build that fails.
    execute(&db, "INSERT INTO t VALUES (1, 1)").await;
    let client = db.connect().await.unwrap();
    assert!(client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (id)").await.is_err());
    assert!(!value::<bool>(&db, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass").await);
    migrator(&[TABLE, INDEX]).run(db.url()).await.unwrap();
    assert!(value::<bool>(&db, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass").await);
}

#[tokio::test]
async fn a_failed_statement_is_where_the_next_attempt_goes_on() {
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
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE id = 1000").await, 1, "done once");
}

#[tokio::test]
async fn an_index_that_exists_by_hand_is_an_error_and_stays_one() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[TABLE]).run(db.url()).await.unwrap();
    execute(&db, "CREATE INDEX t_a ON t (id)").await;
    for _ in 0..2 {
        let error = migrator(&[TABLE, INDEX]).run(db.url()).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("42P07"), "{error}");
    }
}

#[tokio::test]
async fn an_index_whose_build_ended_unrecorded_is_recognised() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[TABLE]).run(db.url()).await.unwrap();
    let set = crate::support::set(&[TABLE, INDEX]);
    let checksum = set.migration(2).unwrap().checksum;
    // The process died after the build and before it could count: the step is still "running".
    execute(
        &db,
        &format!(
            "CREATE INDEX t_a ON t (a); INSERT INTO refit.step (run_id, kind, version, name, checksum, outcome, statements_done) \
             SELECT id, 'versioned', 2, 'ix', '{checksum}', 'running', 0 FROM refit.run"
        ),
    )
    .await;
    migrator(&[TABLE, INDEX]).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn session_settings_count_for_the_statements_after_them() {
    let db = TestDb::empty().await.unwrap();
    let text = "-- refit: transaction = false\nSET search_path = pg_temp, public;\nSET work_mem = '9MB';\n\
                CREATE TABLE public.seen AS SELECT current_setting('work_mem') AS w;\nVACUUM public.seen;";
    let next = ("V2__next.sql", "CREATE TABLE later AS SELECT current_setting('work_mem') AS w;");
    migrator(&[("V1__s.sql", text), next]).run(db.url()).await.unwrap();
    assert_eq!(value::<String>(&db, "SELECT w FROM seen").await, "9MB");
    assert_ne!(value::<String>(&db, "SELECT w FROM later").await, "9MB");
}
