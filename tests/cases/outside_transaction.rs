//! Statements outside a transaction: only what is known to be repeatable is repeated, only what an interrupted attempt of our own
//! left is cleaned up, and what exists is compared with what is meant.

use std::time::Duration;

use refit::{Error, HistoryChange, Rollback};
use refit_devdb::TestDb;

use crate::support::{applied, boot, execute, exists, folder, migrator, until, value};

const HEAD: &str = "-- refit: transaction = false\n";
const TABLE: (&str, &str) =
    ("V1__t.sql", "CREATE TABLE t (id int, a int, b int);\nINSERT INTO t VALUES (1, 1, 1);");
/// A procedure whose every round is a transaction of its own, and which then waits at table `gate`.
const SENDS: &str = "CREATE TABLE mail (sent int);\nCREATE TABLE gate (i int);\nCREATE PROCEDURE send(n int) LANGUAGE plpgsql AS $$ \
    BEGIN FOR i IN 1..n LOOP INSERT INTO mail VALUES (i); COMMIT; LOCK TABLE gate; COMMIT; END LOOP; END $$;";
const MAIL: &str = "SELECT count(*) FROM mail";

fn outside(text: &str) -> String {
    format!("{HEAD}{text}")
}

/// Records statement `number` of V2 as begun by an attempt whose process is gone.
async fn begin(db: &TestDb, files: &[(&str, &str)], number: i32, leftovers: &str) {
    let set = crate::support::set(files);
    let migration = set.migration(2).unwrap();
    let sql = format!(
        "INSERT INTO refit.step (run_id, kind, version, name, checksum, outcome, statements_done, statement_begun, leftovers) \
         SELECT max(id), 'versioned', 2, '{}', '{}', 'running', {}, {number}, {leftovers} FROM refit.run",
        migration.name,
        migration.checksum,
        number - 1,
    );
    execute(db, &sql).await;
}

/// Boots, kills the process once a statement that begins so is active, and ends its session.
async fn kill_at(db: &TestDb, files: &[(&str, &str)], statement: &str, mut ready: impl AsyncFnMut() -> bool) {
    let folder = folder(files);
    let mut process = boot::start(folder.path(), db.url());
    let active = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '{statement}%'"
    );
    until(statement, async || value::<i64>(db, &active).await > 0 && ready().await).await;
    process.start_kill().unwrap();
    assert!(boot::end(process).await.killed);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name LIKE 'refit V%'";
    value::<i64>(db, end).await;
    let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'refit V%'";
    until("its session is gone", async || value::<i64>(db, left).await == 0).await;
}

async fn valid(db: &TestDb, index: &str) -> bool {
    value(db, &format!("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{index}')")).await
}

#[tokio::test]
async fn a_call_that_commits_is_not_sent_again_after_its_process_was_killed() {
    let db = TestDb::empty().await.unwrap();
    let call = outside("CREATE TABLE before (i int);\nCALL send(3);\nCREATE TABLE after (i int);");
    let files = [("V1__send.sql", SENDS), ("V2__call.sql", call.as_str())];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    let blocker = db.connect().await.unwrap();
    blocker.batch_execute("BEGIN; LOCK TABLE gate").await.unwrap();
    kill_at(&db, &files, "CALL", async || value::<i64>(&db, MAIL).await == 1).await;
    blocker.batch_execute("COMMIT").await.unwrap();
    for _ in 0..2 {
        let error = migrator(&files).run(db.url()).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains("V2__call.sql:3:1") && error.contains("--statement-done V2"), "{error}");
        assert_eq!(value::<i64>(&db, MAIL).await, 1, "nothing is sent again");
    }
    assert!(!exists(&db, "after").await);
    // The work was completed by hand; or not, and is to be done once more.
    let step = "V2".to_owned();
    let done = [HistoryChange::StatementDone { step: step.clone() }];
    let client = db.connect().await.unwrap();
    migrator(&files).change_history(&client, &done).await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    assert!(exists(&db, "after").await);
    assert_eq!(value::<i64>(&db, MAIL).await, 1);
    let error = migrator(&files).change_history(&client, &done).await.unwrap_err();
    assert!(error.to_string().contains("no statement of V2 waits"), "{error}");
}

#[tokio::test]
async fn a_statement_that_was_begun_is_sent_again_when_that_is_decided() {
    let db = TestDb::empty().await.unwrap();
    let call = outside("CREATE TABLE before (i int);\nCALL send(2);");
    let files = [("V1__send.sql", SENDS), ("V2__call.sql", call.as_str())];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    let blocker = db.connect().await.unwrap();
    blocker.batch_execute("BEGIN; LOCK TABLE gate").await.unwrap();
    kill_at(&db, &files, "CALL", async || value::<i64>(&db, MAIL).await == 1).await;
    blocker.batch_execute("COMMIT").await.unwrap();
    let again = [HistoryChange::StatementAgain { step: "V0002".to_owned() }];
    migrator(&files).change_history(&blocker, &again).await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, MAIL).await, 3);
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn a_call_that_commits_is_not_sent_again_after_a_deadlock() {
    let db = TestDb::empty().await.unwrap();
    let first = format!("{SENDS}\nCREATE TABLE other (i int);");
    let call = outside("SET deadlock_timeout = '100ms';\nCALL send(2);");
    let files = [("V1__send.sql", first.as_str()), ("V2__call.sql", call.as_str())];
    migrator(&files[..1]).run(db.url()).await.unwrap();
    // A deadlock is as good as a lock timeout, which needs no second table.
    let short = call.replace("deadlock_timeout", "lock_timeout");
    let files = [files[0], ("V2__call.sql", short.as_str())];
    let blocker = db.connect().await.unwrap();
    blocker.batch_execute("BEGIN; LOCK TABLE gate").await.unwrap();
    let error = migrator(&files).run(db.url()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("55P03"), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("statement 2 was sent outside a transaction") && !text.contains("none of"),
        "{text}"
    );
    blocker.batch_execute("COMMIT").await.unwrap();
    let error = migrator(&files).run(db.url()).await.unwrap_err();
    assert!(!error.to_string().is_empty());
    assert_eq!(value::<i64>(&db, MAIL).await, 1);
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn what_was_rolled_back_as_a_whole_may_be_repeated() {
    let db = TestDb::empty().await.unwrap();
    let one = "CREATE TABLE mail (sent int);\nCREATE PROCEDURE send() LANGUAGE plpgsql AS $$ \
        BEGIN INSERT INTO mail SELECT 1 / (SELECT count(*) FROM ready); COMMIT; END $$;\nCREATE TABLE ready (i int);\n\
        CREATE FUNCTION alone() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF NOT EXISTS (SELECT FROM ready) THEN \
        RAISE 'alone' USING ERRCODE = '25001'; END IF; RETURN 1; END $$;";
    let call = outside("CALL send();");
    let select = outside("SELECT alone();");
    for (name, text) in [("V2__call.sql", &call), ("V2__select.sql", &select)] {
        let db = TestDb::empty().await.unwrap();
        let files = [("V1__send.sql", one), (name, text.as_str())];
        for _ in 0..2 {
            let error = migrator(&files).run(db.url()).await.unwrap_err();
            assert!(matches!(error, Error::Statement(_)), "{error}");
            let begun = "SELECT count(*) FROM refit.step WHERE statement_begun IS NOT NULL";
            assert_eq!(value::<i64>(&db, begun).await, 0);
        }
        execute(&db, "INSERT INTO ready VALUES (1)").await;
        migrator(&files).run(db.url()).await.unwrap();
        assert_eq!(applied(&db).await, "1,2");
    }
    drop(db);
}

/// What no transaction undoes happens once: a procedure that commits is not tried in a transaction first.
#[tokio::test]
async fn a_procedure_that_commits_runs_once_however_it_is_called() {
    let db = TestDb::empty().await.unwrap();
    let one = "CREATE SEQUENCE outside;\nCREATE TABLE mail (sent int);\nCREATE PROCEDURE inner_one() LANGUAGE plpgsql AS $$ \
        BEGIN PERFORM nextval('outside'); INSERT INTO mail VALUES (1); COMMIT; END $$;\n\
        CREATE PROCEDURE \"Outer\"() LANGUAGE plpgsql AS $$ BEGIN CALL inner_one(); END $$;";
    let calls = outside("CALL inner_one();\nCALL \"Outer\"();\nDO $$ BEGIN CALL \"Outer\"(); END $$;");
    migrator(&[("V1__one.sql", one), ("V2__calls.sql", &calls)]).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT last_value FROM outside").await, 3);
    assert_eq!(value::<i64>(&db, MAIL).await, 3);
}

#[tokio::test]
async fn repeatable_and_down_files_that_commit_are_not_sent_again() {
    let db = TestDb::empty().await.unwrap();
    let call = outside("SET lock_timeout = '50ms';\nCALL send(2);");
    let one = ("V1__send.sql", SENDS);
    let blocker = db.connect().await.unwrap();
    migrator(&[one]).run(db.url()).await.unwrap();
    blocker.batch_execute("BEGIN; LOCK TABLE gate").await.unwrap();
    let files = [one, ("R__again.sql", call.as_str())];
    for _ in 0..2 {
        let error = migrator(&files).run(db.url()).await.unwrap_err().to_string();
        assert!(error.contains("--statement-done R__again"), "{error}");
        assert_eq!(value::<i64>(&db, MAIL).await, 1);
    }
    let files = [one, ("V2__x.sql", "CREATE TABLE x (i int);"), ("V2__x.down.sql", call.as_str())];
    migrator(&files).run(db.url()).await.unwrap();
    for _ in 0..2 {
        let rollback = Rollback { to: 1, leave_rows: Vec::new() };
        let error = migrator(&files).rollback(db.url(), &rollback).await.unwrap_err().to_string();
        assert!(error.contains("--statement-done V2"), "{error}");
        assert_eq!(value::<i64>(&db, MAIL).await, 2);
    }
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn an_index_whose_build_was_killed_is_built_whatever_its_name() {
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

/// The process was killed after the record and before the statement, or between the statement and its count.
#[tokio::test]
async fn an_index_of_that_name_counts_only_when_it_is_the_one_that_is_meant() {
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
        assert_eq!(error.sqlstate(), Some("42P07"), "not ours: {exists_by_hand}: {error}");
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
async fn an_invalid_index_that_was_there_before_is_left_alone() {
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
        // Recorded as there before: also when the statement is recorded as begun.
        begin(&db, &files, 1, &format!("'{{{before}}}'")).await;
        migrator(&files).run(db.url()).await.unwrap_err();
        assert_eq!(value::<u32>(&db, oid).await, before);
    }
    // As the error says.
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
async fn a_reindex_clears_what_its_own_attempts_left_and_nothing_else() {
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
    // Interrupted by hand, on this table and on another one.
    let (writer, other) = (db.connect().await.unwrap(), db.connect().await.unwrap());
    writer.batch_execute("BEGIN; UPDATE t SET a = 2; INSERT INTO u VALUES (1)").await.unwrap();
    for table in ["t", "u"] {
        let sql = format!("SET lock_timeout = '100ms'; RESET ROLE");
        other.batch_execute(&sql).await.unwrap();
        other.batch_execute(&format!("REINDEX TABLE CONCURRENTLY {table}")).await.unwrap_err();
        assert_eq!(value::<i64>(&db, &count(table)).await, 1);
    }
    let error = migrator(&files).lock_attempts(3).run(db.url()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("55P03"), "{error}");
    assert_eq!(value::<i64>(&db, &count("t")).await, 2, "one of the other's, one of the last attempt");
    writer.batch_execute("COMMIT").await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, &count("t")).await, 1, "the other's stays");
    assert_eq!(value::<i64>(&db, &count("u")).await, 1);
    assert_eq!(applied(&db).await, "1,2");
}

const PARTITIONED: (&str, &str) = (
    "V1__play.sql",
    "CREATE TABLE play (at int) PARTITION BY RANGE (at);\nCREATE TABLE play_1 PARTITION OF play FOR VALUES FROM (1) TO (2);",
);

#[tokio::test]
async fn a_detach_that_was_killed_is_finished() {
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
async fn a_detach_that_times_out_is_finished_by_the_next_attempt() {
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
async fn what_exists_or_is_missing_counts_only_for_a_statement_that_was_begun() {
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

/// Recorded, and killed before it was sent: what is repeatable is sent, what is not waits for a decision.
#[tokio::test]
async fn a_statement_that_was_recorded_and_never_sent_is_sent_when_it_may_be() {
    let detach = "ALTER TABLE play DETACH PARTITION play_1 CONCURRENTLY;";
    for (text, leftovers, runs) in [
        ("CREATE INDEX CONCURRENTLY t_a ON t (a);", "'{}'", true),
        ("DROP INDEX CONCURRENTLY t_b;", "'{}'", true),
        ("REINDEX INDEX CONCURRENTLY t_b;", "'{}'", true),
        ("VACUUM t;", "'{}'", true),
        (detach, "'{}'", true),
        ("DO $$ BEGIN INSERT INTO t VALUES (9); COMMIT; END $$;", "NULL", false),
    ] {
        let db = TestDb::empty().await.unwrap();
        let one = format!("{}\nCREATE INDEX t_b ON t (b);\n{}", TABLE.1, PARTITIONED.1);
        let text = outside(text);
        let files = [("V1__t.sql", one.as_str()), ("V2__x.sql", text.as_str())];
        migrator(&files[..1]).run(db.url()).await.unwrap();
        begin(&db, &files, 1, leftovers).await;
        let outcome = migrator(&files).run(db.url()).await;
        assert_eq!(outcome.is_ok(), runs, "{text}: {outcome:?}");
        assert_eq!(applied(&db).await, if runs { "1,2" } else { "1" });
        assert_eq!(value::<i64>(&db, "SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, 0);
        assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE id = 9").await, 0);
    }
}

#[tokio::test]
async fn a_hidden_commit_does_not_break_a_step_apart() {
    let hidden = "INSERT INTO t VALUES (7);\nSELECT E'a'\n'b\\' || ' ; COMMIT; --';\nSELECT 1 / 0;";
    let unread = "SET standard_conforming_strings = off;\nINSERT INTO t VALUES (7);\nSELECT 'a\\'; COMMIT; SELECT 1 / 0; --';";
    let config =
        "SELECT set_config('standard_conforming_strings', 'off', false);\nSELECT 'a\\'; COMMIT; --';";
    let encoding = "SET client_encoding = 'SJIS';\nINSERT INTO t VALUES (7);";
    for text in [hidden, unread, config, encoding] {
        for head in ["", HEAD] {
            let db = TestDb::empty().await.unwrap();
            let text = format!("{head}{text}");
            let error = migrator(&[TABLE, ("V2__x.sql", &text)]).run(db.url()).await.unwrap_err();
            assert!(
                matches!(error, Error::TransactionControl { .. } | Error::Misreads { .. }),
                "{text}: {error}"
            );
            assert!(!exists(&db, "t").await, "nothing ran");
        }
    }
}

#[tokio::test]
async fn strings_are_read_as_they_were_split_whatever_role_and_file_have_set() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, &format!("ALTER DATABASE {} SET standard_conforming_strings = off", db.name())).await;
    let text = outside(
        "RESET ALL;\nINSERT INTO t VALUES (7);\nDO $$ BEGIN EXECUTE 'SET standard_' || 'conforming_strings = off'; END $$;\n\
         SELECT 'a\\' || ' ; INSERT INTO t VALUES (8); COMMIT; --';\nVACUUM t;",
    );
    migrator(&[TABLE, ("V2__x.sql", &text)]).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE id = 7").await, 1);
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE id = 8").await, 0);
}
