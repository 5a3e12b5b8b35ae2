//! `rollback` as a process: plan, confirmation, execution and output.

use std::process::Stdio;

use refit_devdb::TestDb;

use super::backfill::{json, normal, until};
use crate::support::{Workspace, execute, history, value};

const FILES: [(&str, &str); 6] = [
    (
        "V0001__t.sql",
        "CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0);\nINSERT INTO t SELECT g FROM generate_series(1, 20000) g;\n",
    ),
    (
        "V0002__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], batch = 1000, workers = 1, undo = [\"n\"] }\n\
         UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2;\n",
    ),
    (
        "V0003__index.sql",
        "-- refit: transaction = false\n-- refit: after = [\"V0002\"]\nCREATE INDEX CONCURRENTLY t_n ON t (n);\n",
    ),
    ("V0003__index.down.sql", "-- refit: transaction = false\nDROP INDEX CONCURRENTLY t_n;\n"),
    ("V0003__index.check.sql", "SELECT 'gone' AS problem WHERE to_regclass('t_n') IS NULL;\n"),
    ("R__sums.sql", "CREATE OR REPLACE VIEW sums AS SELECT sum(n) FROM t;\n"),
];

#[tokio::test]
async fn it_shows_the_plan_asks_and_rolls_back() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    workspace.run(&["migrate"]).expect(0);
    let before = history(&db).await;
    insta::assert_snapshot!(
        "rollback_dry_run",
        normal(&workspace.run(&["rollback", "--to", "V0001", "--dry-run"]).expect(0).stdout)
    );
    let asked = workspace.run(&["rollback", "--to", "1"]).expect(2);
    assert!(
        asked.stderr.contains("Undo 2 migrations of")
            && asked.stderr.contains("(environment production), back to version 1? "),
        "{}",
        asked.stderr
    );
    assert!(asked.stderr.contains("There is no terminal to confirm on; give --yes"), "{}", asked.stderr);
    let asked = workspace.run(&["rollback", "--to", "1", "--format", "json"]).expect(2);
    assert!(json(&asked.stdout)["error"].as_str().unwrap().contains("give --yes"), "{}", asked.stdout);
    assert_eq!(history(&db).await, before);
    execute(&db, "UPDATE t SET n = 7 WHERE id % 800 = 1; DELETE FROM t WHERE id = 2").await;
    let ran = workspace.run(&["rollback", "--to", "1", "--yes"]).expect(0);
    insta::assert_snapshot!("rollback_run", normal(&ran.stdout));
    assert!(
        ran.stderr.contains("undone      V0003__index") && !ran.stderr.contains('\u{1b}'),
        "{}",
        ran.stderr
    );
    let sums = "SELECT format('%s %s', count(*), sum(n)) FROM t";
    assert_eq!(value::<String>(&db, sums).await, "19999 175");
    let status = workspace.run(&["backfill", "status"]).expect(1).stdout;
    insta::assert_snapshot!("rollback_status", normal(&status));
    let status = json(&workspace.run(&["backfill", "status", "--format", "json"]).expect(1).stdout);
    let job = &status["backfills"][0];
    assert_eq!((&job["kind"], &job["changed_since"]), (&"undo".into(), &25.into()), "{status}");
    assert_eq!(
        (job["changed_keys"].as_array().unwrap().len(), &job["changed_keys"][1][0]),
        (25, &"801".into())
    );
    assert!(job["journal"]["bytes"].as_i64().unwrap() > 0 && job["journal_kept_until"].is_string(), "{job}");
    let nothing = workspace.run(&["rollback", "--to", "V0001"]).expect(0).stdout;
    assert!(nothing.contains("nothing to undo; the database is at version 1"), "{nothing}");
    workspace.run(&["migrate"]).expect(0);
    assert_eq!(history(&db).await, before);
    assert_eq!(value::<String>(&db, sums).await, "19999 20174");
    let back = json(&workspace.run(&["rollback", "--to", "1", "--yes", "--format", "json"]).expect(0).stdout);
    assert_eq!(
        (&back["version"], &back["backfills"][0]["rows_changed"], &back["backfills"][0]["changed_since"]),
        (&1.into(), &19_999.into(), &0.into()),
        "{back}"
    );
    assert_eq!((&back["steps"][0]["kind"], &back["repeatables"][0]), (&"undo".into(), &"R__sums".into()));
}

#[tokio::test]
async fn without_a_target_it_undoes_the_last_migration() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    let nothing = workspace.run(&["rollback"]).expect(0).stdout;
    assert!(nothing.contains("nothing to undo; the database is at no version"), "{nothing}");
    workspace.run(&["migrate"]).expect(0);
    let before = history(&db).await;
    let asked = workspace.run(&["rollback"]).expect(2);
    assert!(asked.stderr.contains("Undo 1 migration of") && asked.stderr.contains("back to version 2?"));
    assert!(asked.stdout.contains("undo     V0003__index"), "{}", asked.stdout);
    let dry = workspace.run(&["rollback", "--dry-run"]).expect(0).stdout;
    assert!(dry.contains("V0003__index.down.sql\n") && !dry.contains("V0002__fill  ("), "{dry}");
    assert_eq!(history(&db).await, before);
    workspace.run(&["rollback", "--yes"]).expect(0);
    let fill = workspace.run(&["rollback", "--yes"]).expect(0).stdout;
    assert!(fill.contains("undid 1 migration") && fill.contains("the database is at version 1"), "{fill}");
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM t").await, 0);
    assert!(history(&db).await.starts_with("1:"));
}

#[tokio::test]
async fn an_impossible_rollback_is_refused_with_a_remedy() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    workspace.run(&["migrate"]).expect(0);
    let before = history(&db).await;
    let refused = workspace.run(&["rollback", "--to", "0", "--yes"]).expect(2).stderr;
    assert!(refused.contains("V0001__t.sql has no V0001__t.down.sql: write it"), "{refused}");
    let dry =
        json(&workspace.run(&["rollback", "--to", "0", "--dry-run", "--format", "json"]).expect(2).stdout);
    assert_eq!(dry["plan"]["refusals"][0]["kind"], "no_down", "{dry}");
    let unknown = workspace.run(&["rollback", "--to", "V0009", "--yes"]).expect(2).stderr;
    assert!(unknown.contains("there is no version 9; the newest is 3"), "{unknown}");
    execute(&db, "DROP TABLE refit.backfill_undo_1").await;
    let gone = workspace.run(&["rollback", "--to", "1", "--yes"]).expect(2).stderr;
    assert!(gone.contains("refit.backfill_undo_1 was dropped") && gone.contains("--leave-rows 2"), "{gone}");
    assert_eq!(history(&db).await, before);
    workspace.run(&["rollback", "--to", "1", "--yes", "--leave-rows", "V0002"]).expect(0);
    assert!(history(&db).await.starts_with("1:"));
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM t").await, 20_000);
}

/// A trigger makes it slow enough to be observed while running.
const SLOW: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.0005); RETURN NEW; END $$; \
                    CREATE TRIGGER slow BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION slow()";

#[tokio::test]
async fn a_stopped_or_failed_rollback_says_how_to_resume() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    workspace.run(&["migrate"]).expect(0);
    execute(&db, SLOW).await;
    let mut command = workspace.command();
    let arguments = ["rollback", "--to", "1", "--yes", "--format", "json"];
    let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until(&db, "SELECT count(*) > 0 FROM refit.backfill_range r JOIN refit.backfill b ON b.id = backfill_id WHERE kind = 'undo' AND rows_changed > 0").await;
    let status = workspace.run(&["backfill", "status"]).expect(1).stdout;
    assert!(
        status.contains("running     V0002__fill  (undo)") && status.contains("rows restored of about"),
        "{status}"
    );
    let pid = i32::try_from(child.id()).unwrap();
    std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let document = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!((output.status.code(), &document["interrupted"]), (Some(1), &true.into()), "{document}");
    assert_eq!(document["steps"].as_array().unwrap().len(), 1, "{document}");
    until(&db, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name ~ '^refit (since|backfill|V)' AND datname = current_database())").await;
    let status = workspace.run(&["status"]).expect(1).stdout;
    assert!(
        status.contains("last rollback was interrupted") && status.contains("rollback --to 1`"),
        "{status}"
    );
    let status = workspace.run(&["backfill", "status"]).expect(1).stdout;
    assert!(status.contains("worker    none; run `cargo xtask rollback`"), "{status}");
    let migrate = workspace.run(&["migrate"]).expect(1).stdout;
    assert!(migrate.contains("stopped  V0002__fill: it is being rolled back"), "{migrate}");
    execute(&db, "DROP TRIGGER slow ON t; ALTER TABLE t ADD CHECK (n > 0 OR id <> 19999) NOT VALID").await;
    let failed = workspace.run(&["rollback", "--to", "1", "--yes"]).expect(1);
    assert!(
        failed.stdout.contains("continues to restore about") && failed.stdout.contains("public.t (19999): "),
        "{}",
        failed.stdout
    );
    assert!(failed.stdout.contains("`cargo xtask rollback --to 1`"), "{}", failed.stdout);
    let last = workspace.run(&["status"]).expect(1).stdout;
    assert!(last.contains("last rollback failed"), "{last}");
    execute(&db, "ALTER TABLE t DROP CONSTRAINT t_check").await;
    workspace.run(&["rollback", "--to", "1", "--yes"]).expect(0);
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM t").await, 0);
    // A failed down file is shown like any failed step.
    workspace.run(&["migrate"]).expect(0);
    workspace.write("V0003__index.down.sql", "DROP INDEX t_n;\nDROP INDEX nothing;\n");
    let failed = workspace.run(&["rollback", "--to", "1", "--yes"]).expect(2).stderr;
    assert!(
        failed.contains("V0003__index.down.sql failed in statement 2 of 2")
            && failed.contains("was rolled back; fix"),
        "{failed}"
    );
}
