//! Statements outside a transaction that create or drop objects: only what an interrupted attempt of the step left is dropped, and
//! existing objects are compared with the intended ones.

use std::time::Duration;

use refit::Error;
use refit_devdb::TestDb;

use crate::support::outside::{PARTITIONED, TABLE, begin, kill_at, outside};
use crate::support::{applied, execute, exists, migrator, until, value};

async fn valid(db: &TestDb, index: &str) -> bool {
    value(db, &format!("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{index}')")).await
}

#[tokio::test]
async fn a_killed_index_build_is_repeated_for_every_kind_of_name() {
    for name in ["ÜBERSICHT_V", "U&\"d!0061ta\" UESCAPE '!'", &"ü".repeat(40), "\"Ü x\""] {
        let db = TestDb::empty().await.unwrap();
        let build = outside(&format!("CREATE INDEX CONCURRENTLY {name} ON t (a);"));
        let files = [TABLE, ("V2__ix.sql", build.as_str())];
        migrator(&files[..1]).run(db.url()).await.unwrap();
        let writer = db.connect().await.unwrap();
        writer.batch_execute("BEGIN; UPDATE t SET a = 2").await.unwrap();
        let there = "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass";
        kill_at(&db, &files, "CREATE INDEX", async || value::<i64>(&db, there).await == 1).await;
        writer.batch_execute("COMMIT").await.unwrap();
        migrator(&files).run(db.url()).await.unwrap();
        assert_eq!(applied(&db).await, "1,2");
        let good =
            "SELECT count(*) = 1 AND bool_and(indisvalid) FROM pg_index WHERE indrelid = 't'::regclass";
        assert!(value::<bool>(&db, good).await, "{name}");
    }
}

/// The process was killed between the record and the statement, or between the statement and its count.
#[tokio::test]
async fn an_existing_index_counts_only_if_it_is_the_intended_one() {
    let meant = "UNIQUE INDEX CONCURRENTLY t_x ON t USING btree (lower(a::text) text_pattern_ops DESC, b) INCLUDE (id) \
                 WITH (fillfactor = 80) WHERE b > 0";
    let same = meant.replace("CONCURRENTLY ", "");
    for (exists_by_hand, counts) in [
        (format!("CREATE {same}"), true),
        (format!("CREATE {}", same.replace("UNIQUE ", "")), false),
        (format!("CREATE {}", same.replace("b > 0", "b > 1")), false),
        (format!("CREATE {}", same.replace(" text_pattern_ops", "")), false),
        (format!("CREATE {}", same.replace(" INCLUDE (id)", "")), false),
        (format!("CREATE {}", same.replace("= 80", "= 90")), false),
        ("CREATE TABLE u (a int); CREATE INDEX t_x ON u (a)".to_owned(), false),
        ("CREATE TABLE t_x (a int)".to_owned(), false),
        ("CREATE VIEW t_x AS SELECT 1".to_owned(), false),
    ] {
        let db = TestDb::empty().await.unwrap();
        let plain = outside(&format!("CREATE {meant};"));
        let lenient = plain.replace("t_x ON", "IF NOT EXISTS t_x ON");
        let (files, lenient) = ([TABLE, ("V2__ix.sql", &*plain)], [TABLE, ("V2__ix.sql", &*lenient)]);
        migrator(&files[..1]).run(db.url()).await.unwrap();
        execute(&db, &exists_by_hand).await;
        let error = migrator(&files).run(db.url()).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("42P07"), "created by hand: {exists_by_hand}: {error}");
        if !counts {
            let error = migrator(&lenient).run(db.url()).await.unwrap_err();
            assert!(matches!(error, Error::Exists { .. }), "IF NOT EXISTS: {exists_by_hand}: {error}");
        }
        begin(&db, &files, 1, "'{}'").await;
        let outcome = migrator(&files).run(db.url()).await;
        assert_eq!(outcome.is_ok(), counts, "{exists_by_hand}: {outcome:?}");
        assert_eq!(applied(&db).await, if counts { "1,2" } else { "1" });
        assert!(!exists(&db, "pg_temp.t").await);
    }
}

#[tokio::test]
async fn an_invalid_index_from_before_is_not_dropped() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[TABLE]).run(db.url()).await.unwrap();
    execute(&db, "INSERT INTO t VALUES (1, 1, 1)").await;
    let client = db.connect().await.unwrap();
    client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a)").await.unwrap_err();
    let oid = "SELECT to_regclass('t_a')::oid";
    let before: u32 = value(&db, oid).await;
    for text in
        ["CREATE INDEX CONCURRENTLY t_a ON t (a);", "CREATE INDEX CONCURRENTLY IF NOT EXISTS t_a ON t (a);"]
    {
        let text = outside(text);
        let files = [TABLE, ("V2__ix.sql", text.as_str())];
        let error = migrator(&files).run(db.url()).await.unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error}");
        // The index is recorded as existing before, even if the statement is recorded as begun.
        begin(&db, &files, 1, &format!("'{{{before}}}'")).await;
        migrator(&files).run(db.url()).await.unwrap_err();
        assert_eq!(value::<u32>(&db, oid).await, before);
    }
    // What the error says to do.
    client.batch_execute("DROP INDEX CONCURRENTLY public.t_a").await.unwrap();
    let text = outside("CREATE INDEX CONCURRENTLY t_a ON t (a);");
    migrator(&[TABLE, ("V2__ix.sql", text.as_str())]).run(db.url()).await.unwrap();
    assert!(valid(&db, "t_a").await);
}

#[tokio::test]
async fn an_index_that_another_session_builds_is_waited_for() {
    for (begun, text) in [
        (false, "CREATE INDEX CONCURRENTLY IF NOT EXISTS t_a ON t (a);"),
        (true, "CREATE INDEX CONCURRENTLY t_a ON t (a);"),
    ] {
        let db = TestDb::empty().await.unwrap();
        let text = outside(text);
        let files = [TABLE, ("V2__ix.sql", text.as_str())];
        migrator(&files[..1]).run(db.url()).await.unwrap();
        if begun {
            begin(&db, &files, 1, "'{}'").await;
        }
        let (writer, builder) = (db.connect().await.unwrap(), db.connect().await.unwrap());
        writer.batch_execute("BEGIN; UPDATE t SET a = 2").await.unwrap();
        let build =
            tokio::spawn(
                async move { builder.batch_execute("CREATE INDEX CONCURRENTLY t_a ON t (a)").await },
            );
        until("the build has begun", async || exists(&db, "t_a").await).await;
        let (migrator, url) = (migrator(&files), db.url().to_owned());
        let run = tokio::spawn(async move { migrator.run(&url).await });
        tokio::time::sleep(Duration::from_millis(600)).await;
        writer.batch_execute("COMMIT").await.unwrap();
        build.await.unwrap().unwrap();
        run.await.unwrap().unwrap();
        assert!(valid(&db, "t_a").await);
        assert_eq!(applied(&db).await, "1,2");
    }
}

#[tokio::test]
async fn a_reindex_drops_only_what_its_own_attempts_left() {
    let db = TestDb::empty().await.unwrap();
    let one = format!(
        "{}\nCREATE INDEX t_a ON t (a);\nCREATE TABLE u (a int);\nCREATE INDEX u_a ON u (a);",
        TABLE.1
    );
    let reindex = outside("SET lock_timeout = '100ms';\nREINDEX TABLE CONCURRENTLY t;");
    let files = [("V1__t.sql", one.as_str()), ("V2__re.sql", reindex.as_str())];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    let count = |table: &str| {
        format!("SELECT count(*) FROM pg_index WHERE NOT indisvalid AND indrelid = '{table}'::regclass")
    };
    // A REINDEX interrupted by hand, on this table and on another one.
    let (writer, other) = (db.connect().await.unwrap(), db.connect().await.unwrap());
    writer.batch_execute("BEGIN; UPDATE t SET a = 2; INSERT INTO u VALUES (1)").await.unwrap();
    for table in ["t", "u"] {
        other.batch_execute("SET lock_timeout = '100ms'").await.unwrap();
        other.batch_execute(&format!("REINDEX TABLE CONCURRENTLY {table}")).await.unwrap_err();
        assert_eq!(value::<i64>(&db, &count(table)).await, 1);
    }
    let error = migrator(&files).lock_attempts(3).run(db.url()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("55P03"), "{error}");
    assert_eq!(value::<i64>(&db, &count("t")).await, 2, "one from before, one of the last attempt");
    writer.batch_execute("COMMIT").await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, &count("t")).await, 1, "the one from before is kept");
    assert_eq!(value::<i64>(&db, &count("u")).await, 1);
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn a_killed_detach_is_completed() {
    let db = TestDb::empty().await.unwrap();
    let detach = outside("ALTER TABLE play DETACH PARTITION play_1 CONCURRENTLY;\nDROP TABLE play_1;");
    let files = [PARTITIONED, ("V2__detach.sql", detach.as_str())];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    let reader = db.connect().await.unwrap();
    reader.batch_execute("BEGIN; SELECT * FROM play").await.unwrap();
    let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    kill_at(&db, &files, "ALTER TABLE play", async || value::<i64>(&db, pending).await == 1).await;
    reader.batch_execute("COMMIT").await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    assert!(!exists(&db, "play_1").await);
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn a_detach_that_times_out_is_completed_by_the_next_attempt() {
    let db = TestDb::empty().await.unwrap();
    let detach =
        outside("SET lock_timeout = '100ms';\nALTER TABLE play DETACH PARTITION play_1 CONCURRENTLY;");
    let files = [PARTITIONED, ("V2__detach.sql", detach.as_str())];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    let reader = db.connect().await.unwrap();
    reader.batch_execute("BEGIN; SELECT * FROM play").await.unwrap();
    let (migrator_, url) = (migrator(&files), db.url().to_owned());
    let run = tokio::spawn(async move { migrator_.run(&url).await });
    let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    until("an attempt has timed out", async || value::<i64>(&db, pending).await == 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    reader.batch_execute("COMMIT").await.unwrap();
    run.await.unwrap().unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM pg_inherits").await, 0);
}

#[tokio::test]
async fn an_existing_or_missing_object_counts_only_for_a_begun_statement() {
    let database = format!("made_{}", TestDb::empty().await.unwrap().name());
    let create = format!("CREATE DATABASE {database};");
    let drop = format!("DROP DATABASE {database};");
    for (text, by_hand, sqlstate) in [
        ("DROP INDEX CONCURRENTLY t_a;".to_owned(), String::new(), "42704"),
        (create.clone(), create, "42P04"),
        (drop.clone(), drop, "3D000"),
        (
            "ALTER TABLE play DETACH PARTITION play_1 CONCURRENTLY;".to_owned(),
            "CREATE TABLE play (i int) PARTITION BY LIST (i); CREATE TABLE play_1 (i int)".to_owned(),
            "42P01",
        ),
    ] {
        let db = TestDb::empty().await.unwrap();
        let text = outside(&text);
        let files = [TABLE, ("V2__x.sql", text.as_str())];
        migrator(&files[..1]).run(db.url()).await.unwrap();
        if !by_hand.is_empty() {
            execute(&db, &by_hand).await;
        }
        for _ in 0..2 {
            let error = migrator(&files).run(db.url()).await.unwrap_err();
            assert_eq!(error.sqlstate(), Some(sqlstate), "{text}: {error}");
        }
        execute(&db, "DELETE FROM refit.step WHERE version = 2").await;
        begin(&db, &files, 1, "'{}'").await;
        migrator(&files).run(db.url()).await.unwrap();
        assert_eq!(applied(&db).await, "1,2", "{text}");
    }
}

/// The search path has two indexes of one name, and the first was dropped.
#[tokio::test]
async fn a_killed_drop_does_not_drop_another_index() {
    let db = TestDb::empty().await.unwrap();
    let drop = outside("SET search_path = a, b, public;\nDROP INDEX CONCURRENTLY i;");
    let files = [TABLE, ("V2__drop.sql", drop.as_str())];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    execute(
        &db,
        "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t (c int); CREATE TABLE b.t (c int); \
         CREATE INDEX i ON a.t (c); CREATE INDEX i ON b.t (c)",
    )
    .await;
    let reader = db.connect().await.unwrap();
    reader.batch_execute("BEGIN; SELECT FROM a.t").await.unwrap();
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'DROP INDEX%' AND wait_event_type = 'Lock' \
                 AND datname = current_database())";
    kill_at(&db, &files, "DROP INDEX", async || value::<bool>(&db, waits).await).await;
    reader.batch_execute("COMMIT").await.unwrap();
    execute(&db, "DROP INDEX IF EXISTS a.i").await;
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
    assert!(exists(&db, "b.i").await);
}
