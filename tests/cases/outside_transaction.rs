//! Statements outside a transaction that may contain a COMMIT: a statement that is not known to be repeatable is not repeated.

use refit::{Error, HistoryChange, Rollback};
use refit_devdb::TestDb;

use crate::support::outside::{HEAD, PARTITIONED, TABLE, begin, kill_at, outside};
use crate::support::{applied, execute, exists, migrator, value};

/// A procedure that commits after each iteration, and then waits at the table `gate`.
const SENDS: &str = "CREATE TABLE mail (sent int);\nCREATE TABLE gate (i int);\nCREATE PROCEDURE send(n int) LANGUAGE plpgsql AS $$ \
    BEGIN FOR i IN 1..n LOOP INSERT INTO mail VALUES (i); COMMIT; LOCK TABLE gate; COMMIT; END LOOP; END $$;";
const MAIL: &str = "SELECT count(*) FROM mail";

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
        let error = error.message();
        assert!(error.contains("V2__call.sql:3:1") && error.contains("--statement-done V2"), "{error}");
        assert_eq!(value::<i64>(&db, MAIL).await, 1, "nothing is sent again");
    }
    assert!(!exists(&db, "after").await);
    // Either the work was completed by hand, or it has to run again.
    let step = "V2".to_owned();
    let done = [HistoryChange::StatementDone { step: step.clone() }];
    let client = db.connect().await.unwrap();
    migrator(&files).change_history(&client, &done).await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    assert!(exists(&db, "after").await);
    assert_eq!(value::<i64>(&db, MAIL).await, 1);
    let error = migrator(&files).change_history(&client, &done).await.unwrap_err();
    assert!(error.message().contains("no statement of V2 needs"), "{error}");
}

#[tokio::test]
async fn a_begun_statement_is_sent_again_after_a_decision() {
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
    // A lock timeout stands for a deadlock: both are retried, and it needs no second table.
    let short = call.replace("deadlock_timeout", "lock_timeout");
    let files = [files[0], ("V2__call.sql", short.as_str())];
    let blocker = db.connect().await.unwrap();
    blocker.batch_execute("BEGIN; LOCK TABLE gate").await.unwrap();
    let error = migrator(&files).run(db.url()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("55P03"), "{error}");
    let text = error.message();
    assert!(
        text.contains("statement 2 was sent outside a transaction") && !text.contains("none of"),
        "{text}"
    );
    blocker.batch_execute("COMMIT").await.unwrap();
    let error = migrator(&files).run(db.url()).await.unwrap_err();
    assert!(!error.message().is_empty());
    assert_eq!(value::<i64>(&db, MAIL).await, 1);
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn a_statement_that_was_rolled_back_may_be_repeated() {
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

/// Effects that a rollback does not undo happen once: a procedure that commits is not tried in a transaction first.
#[tokio::test]
async fn a_procedure_that_commits_runs_once_in_every_form_of_call() {
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
        let error = migrator(&files).run(db.url()).await.unwrap_err().message();
        assert!(error.contains("--statement-done R__again"), "{error}");
        assert_eq!(value::<i64>(&db, MAIL).await, 1);
    }
    let files = [one, ("V2__x.sql", "CREATE TABLE x (i int);"), ("V2__x.down.sql", call.as_str())];
    migrator(&files).run(db.url()).await.unwrap();
    for _ in 0..2 {
        let rollback = Rollback { to: 1, ..Default::default() };
        let error = migrator(&files).rollback(db.url(), &rollback).await.unwrap_err().message();
        assert!(error.contains("--statement-done V2"), "{error}");
        assert_eq!(value::<i64>(&db, MAIL).await, 2);
    }
    assert_eq!(applied(&db).await, "1,2");
}

/// The process was killed between the record and the statement: a repeatable one is sent, another one needs a decision.
#[tokio::test]
async fn a_recorded_statement_that_was_never_sent_is_sent_if_repeatable() {
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
async fn a_hidden_commit_fails_the_step() {
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
async fn strings_are_read_as_split_despite_settings_of_role_and_file() {
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
