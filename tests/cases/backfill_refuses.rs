//! Checks before a backfill begins: which table its statement changes, and reasons why it cannot run.

use refit::{Backfills, Error, Report};
use refit_devdb::TestDb;

use crate::support::{execute, exists, migrator, until, value, value_at};

const TABLES: &str = "CREATE TABLE posts (id int PRIMARY KEY, flag int NOT NULL DEFAULT 0); INSERT INTO posts SELECT g FROM generate_series(1, 9) g; \
     CREATE TABLE versions (id int PRIMARY KEY, post_id int, flag int NOT NULL DEFAULT 0); \
     INSERT INTO versions SELECT g, g FROM generate_series(1, 5) g; \
     CREATE TABLE parts (id int PRIMARY KEY, flag int NOT NULL DEFAULT 0) PARTITION BY RANGE (id); \
     CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (10); INSERT INTO parts SELECT g FROM generate_series(1, 5) g";

/// Creates tables and runs a backfill to its end.
async fn backfill(db: &TestDb, tables: &str, directive: &str, statement: &str) -> Result<Report, Error> {
    let fill = format!("-- refit: backfill = {{ {directive} }}\n{statement};");
    let files = [("V1__tables.sql", tables), ("V2__fill.sql", fill.as_str())];
    migrator(&files).backfills(Backfills::Inline).run(db.url()).await
}

/// Asserts that such a backfill does not begin; returns the reason.
async fn refused(tables: &str, directive: &str, statement: &str) -> String {
    let db = TestDb::empty().await.unwrap();
    let error = backfill(&db, tables, directive, statement).await.unwrap_err();
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "failed", "{error}");
    error.message()
}

#[tokio::test]
async fn a_statement_must_change_the_table_of_the_backfill() {
    const LOOK: &str = "SELECT format('%s posts, %s flagged, %s versions flagged', (SELECT count(*) FROM posts), \
         (SELECT sum(flag) FROM posts), (SELECT sum(flag) FROM versions))";
    for (statement, expected) in [
        (
            "UPDATE posts p SET flag = p.flag + 1 FROM versions v WHERE v.id > $1 AND v.id <= $2 AND p.id = v.post_id",
            "9 posts, 5 flagged, 0 versions flagged",
        ),
        (
            "DELETE FROM ONLY public.posts AS p USING versions v WHERE v.id > $1 AND v.id <= $2 AND p.id = v.post_id",
            "4 posts, 0 flagged, 0 versions flagged",
        ),
        (
            "UPDATE versions SET flag = flag + 1 WHERE id > $1 AND id <= $2; \
             UPDATE posts p SET flag = p.flag + 1 FROM versions v WHERE v.id > $1 AND v.id <= $2 AND p.id = v.post_id",
            "9 posts, 5 flagged, 5 versions flagged",
        ),
        (
            "UPDATE \"public\" . Versions SET flag = flag + 1 WHERE id > $1 AND id <= $2",
            "9 posts, 0 flagged, 5 versions flagged",
        ),
    ] {
        let db = TestDb::empty().await.unwrap();
        let report = backfill(&db, TABLES, r#"table = "versions", key = ["id"]"#, statement).await;
        assert!(report.is_ok(), "{statement}: {report:?}");
        assert_eq!(value::<String>(&db, LOOK).await, expected, "{statement}");
    }
}

#[tokio::test]
async fn another_table_cannot_be_changed_partition_by_partition_or_kept() {
    let another = "UPDATE posts p SET flag = 1 FROM parts v WHERE v.id > $1 AND v.id <= $2 AND p.id = v.id";
    let why = refused(TABLES, r#"table = "parts", key = ["id"]"#, another).await;
    assert!(why.contains("write an UPDATE or DELETE of it"), "{why}");
    let another =
        "UPDATE posts p SET flag = 1 FROM versions v WHERE v.id > $1 AND v.id <= $2 AND p.id = v.id";
    let why = refused(TABLES, r#"table = "versions", key = ["id"], undo = ["flag"]"#, another).await;
    assert!(why.contains("the statement changes posts"), "{why}");
}

#[tokio::test]
async fn statements_that_would_lose_rows_are_refused_before_anything_runs() {
    for (condition, expected) in [
        ("id > $1 AND id < $2", "write it as `id <= $2`"),
        ("id > $1 AND id <= $2 AND post_id % $3 = $4", "write it as `id % $3 = $4`"),
    ] {
        let db = TestDb::empty().await.unwrap();
        let statement = format!("UPDATE versions SET flag = 1 WHERE {condition}");
        let error = backfill(&db, TABLES, r#"table = "versions", key = ["id"]"#, &statement).await;
        let why = error.unwrap_err().message();
        assert!(why.contains(expected), "{condition}: {why}");
        assert!(!exists(&db, "refinery_schema_history").await && !exists(&db, "versions").await);
    }
}

#[tokio::test]
async fn tables_with_children_are_refused() {
    let tables = "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); CREATE TABLE \"t 1\" () INHERITS (t); \
         CREATE INDEX ON \"t 1\" (id); INSERT INTO t VALUES (1); INSERT INTO \"t 1\" VALUES (2)";
    let fill = "SET n = n + 1 WHERE id > $1 AND id <= $2";
    let why = refused(tables, r#"table = "t", key = ["id"]"#, &format!("UPDATE t {fill}")).await;
    assert!(why.contains("\"t 1\" inherit from") && why.contains("a backfill for each of them"), "{why}");
    let db = TestDb::empty().await.unwrap();
    let statement = format!("UPDATE \"t 1\" {fill}");
    let report = backfill(&db, tables, r#"table = "\"t 1\"", key = ["id"]"#, &statement).await;
    assert!(report.is_ok(), "{report:?}");
    let changed = "SELECT string_agg(format('%s: %s', id, n), ', ' ORDER BY id) FROM t";
    assert_eq!(value::<String>(&db, changed).await, "1: 0, 2: 1");
}

const PARTITIONS: &str = "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0) PARTITION BY RANGE (id); \
     CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (1) TO (10); CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20); \
     CREATE TABLE t3 PARTITION OF t FOR VALUES FROM (20) TO (30); INSERT INTO t SELECT g FROM generate_series(1, 29) g; \
     CREATE TABLE t4 PARTITION OF t FOR VALUES FROM (30) TO (40)";

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_partition_is_completed() {
    let (db, outcome) = run_during(PARTITIONS, "t1", "", "ALTER TABLE t2 RENAME TO old").await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(value::<String>(&db, "SELECT format('%s of %s', sum(n), count(*)) FROM t").await, "29 of 29");
}

/// Rows that were moved to a partition without ranges do not count as changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_partition_with_rows_fails_the_job() {
    let replace = "CREATE TABLE old (LIKE t2 INCLUDING ALL); INSERT INTO old SELECT * FROM t2; DROP TABLE t2; \
                   ALTER TABLE t ATTACH PARTITION old FOR VALUES FROM (10) TO (20)";
    let (db, outcome) = run_during(PARTITIONS, "t1", "", replace).await;
    let error = outcome.unwrap_err().message();
    assert!(error.contains("t2 no longer exists, and public.old, which has no ranges, has rows"), "{error}");
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_dropped_during_the_job_is_skipped() {
    let (db, outcome) = run_during(PARTITIONS, "t1", "", "DROP TABLE t2").await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(value::<String>(&db, "SELECT format('%s of %s', sum(n), count(*)) FROM t").await, "19 of 19");
    let reason: String = value(&db, "SELECT reason FROM refit.backfill").await;
    assert!(reason.ends_with("the partition public.t2 was dropped while the backfill ran"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_no_longer_runs_fails_the_job() {
    let tables = "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT g FROM generate_series(1, 9) g; \
         CREATE FUNCTION is_left(n int) RETURNS boolean IMMUTABLE LANGUAGE SQL AS 'SELECT n = 0'";
    let (db, outcome) =
        run_during(tables, "t", r#", remaining = "is_left(n)""#, "DROP FUNCTION is_left(int)").await;
    let error = outcome.unwrap_err().message();
    assert!(error.contains("function is_left(integer) does not exist"), "{error}");
    assert_eq!(value::<String>(&db, "SELECT state FROM refit.backfill").await, "failed");
}

/// Runs a backfill of `t` that waits for a locked row of `relation`, and runs `act` while it waits.
async fn run_during(tables: &str, relation: &str, more: &str, act: &str) -> (TestDb, Result<Report, Error>) {
    let db = TestDb::empty().await.unwrap();
    migrator(&[("V1__tables.sql", tables)]).run(db.url()).await.unwrap();
    let holder = refit::connect(db.url(), &refit::ConnectOptions::default()).await.unwrap();
    holder.batch_execute(&format!("BEGIN; SELECT FROM {relation} WHERE id = 5 FOR UPDATE")).await.unwrap();
    let directive = format!(r#"table = "t", key = ["id"], workers = 1{more}"#);
    let work = backfill(&db, tables, &directive, "UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2");
    let acting = async {
        until("it waits for the row", async || {
            let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'refit backfill%' \
                           AND datname = current_database() AND wait_event_type = 'Lock')";
            value_at(db.url(), sql).await
        })
        .await;
        holder.batch_execute(&format!("{act}; COMMIT")).await.unwrap();
    };
    let (outcome, ()) = futures_util::future::join(work, acting).await;
    holder.close().await;
    (db, outcome)
}

#[tokio::test]
async fn queries_of_the_directive_are_tried_before_a_row_changes() {
    for (asks, expected) in [
        (r#"remaining = "flagg = 0""#, "column \"flagg\" does not exist"),
        (r#"remaining = "flag = 0 OR""#, "syntax error"),
        (r#"remaining = "flag = 'x'""#, "invalid input syntax for type integer"),
        (r#"only = "00:00-23:59 Europe/Berlim""#, "time zone \"Europe/Berlim\" not recognized"),
        (r#"throttle = "SELECT load FROM nowhere""#, "relation \"nowhere\" does not exist"),
    ] {
        let statement = "UPDATE versions SET flag = flag + 1 WHERE id > $1 AND id <= $2";
        let why = refused(TABLES, &format!(r#"table = "versions", key = ["id"], {asks}"#), statement).await;
        assert!(why.contains(expected), "{asks}: {why}");
    }
}

#[tokio::test]
async fn counting_remaining_rows_ignores_the_statement_timeout() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[("V1__tables.sql", TABLES)]).run(db.url()).await.unwrap();
    execute(&db, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 400', current_database()); END $$").await;
    let directive = r#"table = "posts", key = ["id"], remaining = "flag = 0 OR pg_sleep(0.1)::text = 'x'""#;
    let statement = "UPDATE posts SET flag = flag + 1 WHERE id > $1 AND id <= $2";
    let report = backfill(&db, TABLES, directive, statement).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(value::<i64>(&db, "SELECT sum(flag) FROM posts").await, 9);
}

#[tokio::test]
async fn the_size_of_a_table_without_statistics_is_estimated() {
    let tables = "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g FROM generate_series(1, 9) g; \
         CREATE TABLE look (u int, v int) WITH (autovacuum_enabled = false); INSERT INTO look SELECT g, g FROM generate_series(1, 30000) g";
    let statement = "UPDATE t SET n = v FROM look WHERE t.id > $1 AND t.id <= $2 AND look.u = t.id";
    let why = refused(tables, r#"table = "t", key = ["id"], batch = 100"#, statement).await;
    assert!(why.contains("read all of look, about"), "{why}");
}

#[tokio::test]
async fn float_keys_keep_their_full_precision() {
    let db = TestDb::empty().await.unwrap();
    execute(
        &db,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET extra_float_digits = 0', current_database()); END $$",
    )
    .await;
    let tables = "CREATE TABLE t (id float8 PRIMARY KEY, n int NOT NULL DEFAULT 0); \
         INSERT INTO t SELECT g / 10.0::float8 + 0.2::float8 FROM generate_series(0, 1) g";
    let statement = "UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2";
    let report = backfill(&db, tables, r#"table = "t", key = ["id"]"#, statement).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM t").await, 2);
}

#[tokio::test]
async fn a_subquery_with_two_rows_fails_only_its_row() {
    let db = TestDb::empty().await.unwrap();
    let statement = "UPDATE posts SET flag = flag + (SELECT 1 FROM versions WHERE post_id = posts.id % 5 AND posts.id > 5) WHERE id > $1 AND id <= $2";
    let tables =
        format!("{TABLES}; ALTER TABLE posts ALTER flag DROP NOT NULL; INSERT INTO versions VALUES (6, 3)");
    let error = backfill(&db, &tables, r#"table = "posts", key = ["id"]"#, statement).await.unwrap_err();
    assert!(error.message().contains("1 row failed and was set aside"), "{error}");
    let failed = "SELECT format('%s: %s', key, sqlstate) FROM refit.backfill_error";
    assert_eq!(value::<String>(&db, failed).await, "{8}: 21000");
    let reason: String = value(&db, "SELECT reason FROM refit.backfill").await;
    assert!(reason.contains("no closing sweep"), "{reason}");
}
