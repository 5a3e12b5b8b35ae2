//! Rehearsals: the sample's own migrations, one that makes other sessions wait, and down files that do not restore the schema.

use std::time::Duration;

use refit_devdb::ServerOptions;
use refit_model::MigrationSet;
use refit_rehearsal::{
    File, Rehearsal, RehearsalOptions, RehearsalServer, Stairway, rehearse, server_options,
};

use crate::support::set;

async fn rehearsed(set: &MigrationSet, rows: u32) -> Rehearsal {
    let files: Vec<File> = set.steps().map(|step| File::step(step, true)).collect();
    let place = RehearsalServer::start(server_options(ServerOptions::for_tests())).await.unwrap();
    rehearse(&place, &files, &RehearsalOptions { rows, stairway: true }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_is_rehearsed() {
    let folder = crate::support::scratch::workspace().join("migrations");
    let set = MigrationSet::from_dir(&folder).unwrap();
    let rehearsal = rehearsed(&set, 200).await;
    assert!(rehearsal.steps.iter().all(|step| !step.has_failed()));
    // Each table has its rows.
    assert!(
        rehearsal.rows.iter().all(|filled| filled.rows == 200 && filled.reason.is_none()),
        "{:?}",
        rehearsal.rows
    );
    insta::assert_snapshot!("sample_rehearsal", render(&rehearsal));
}

/// The rehearsal as text, without times, which differ between runs.
fn render(rehearsal: &Rehearsal) -> String {
    let mut lines = Vec::new();
    for step in &rehearsal.steps {
        lines.push(format!(
            "{}{}",
            step.path,
            if step.transaction { "" } else { " (statement by statement)" }
        ));
        for statement in &step.statements {
            lines.push(format!("  {}:{}", statement.line, statement.column));
            lines.extend(statement.locks.iter().map(|lock| format!("    {} on {}", lock.mode, lock.object)));
            lines.extend(statement.rewritten.iter().map(|table| format!("    rewrote {table}")));
            lines.extend(
                statement.scanned.iter().map(|scan| format!("    read {} rows of {}", scan.rows, scan.table)),
            );
            lines.extend(statement.indexes.iter().map(|index| format!("    built {}", index.index)));
        }
        let waits =
            step.waits.iter().map(|wait| format!("  probed {} at statement {}", wait.table, wait.statement));
        lines.extend(waits);
        lines.extend(step.stairway.as_ref().map(|stairway| format!("  stairway: {stairway:?}")));
    }
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_sessions_and_their_times_are_reported() {
    let set = set(&[
        ("V1__tables.sql", "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)"),
        ("V2__alter.sql", "SELECT 1; ALTER TABLE a ADD COLUMN x int; SELECT pg_sleep(0.5)"),
        ("V3__lock.sql", "LOCK TABLE b IN SHARE MODE; SELECT pg_sleep(0.5)"),
        ("V4__index.sql", "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY b_idx ON b (id)"),
    ]);
    let rehearsal = rehearsed(&set, 50).await;
    let wait = |step: usize| &rehearsal.steps[step].waits[0];
    let long = Duration::from_millis(400);
    assert_eq!((wait(1).table.as_str(), wait(1).statement), ("a", 2));
    assert!(wait(1).reader > long && wait(1).writer > long, "{:?}", wait(1));
    assert_eq!((wait(2).table.as_str(), wait(2).statement), ("b", 1));
    assert!(wait(2).reader < long && wait(2).writer > long, "{:?}", wait(2));
    assert!(wait(3).reader < long && wait(3).writer < long, "{:?}", wait(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incomplete_down_file_is_reported() {
    let set = set(&[
        ("V1__t.sql", "CREATE TABLE t (a int, b text)"),
        ("V1__t.down.sql", "DROP TABLE t"),
        ("V2__wrong.sql", "ALTER TABLE t ADD COLUMN c int; CREATE INDEX t_c_idx ON t (c)"),
        ("V2__wrong.down.sql", "DROP INDEX t_c_idx"),
        ("V3__moved.sql", "ALTER TABLE t DROP COLUMN a"),
        ("V3__moved.down.sql", "ALTER TABLE t ADD COLUMN a int"),
        ("V4__fails.sql", "SELECT 1"),
        ("V4__fails.down.sql", "SELECT 1;\nDROP TABLE nowhere"),
        ("V5__index.sql", "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY t_b_idx ON t (b)"),
        ("V5__index.down.sql", "-- refit: transaction = false\nDROP INDEX CONCURRENTLY t_b_idx"),
        ("V6__broken.sql", "ALTER TABLE t ADD COLUMN d int; SELECT 1 / 0"),
        ("V7__never.sql", "SELECT 1"),
    ]);
    let rehearsal = rehearsed(&set, 10).await;
    let walked: Vec<Option<&Stairway>> = rehearsal.steps.iter().map(|step| step.stairway.as_ref()).collect();
    assert_eq!(walked[0], Some(&Stairway::Same));
    assert!(
        matches!(walked[1], Some(Stairway::Different { after: "down", delta }) if delta.contains("t.c")),
        "{walked:?}"
    );
    assert!(matches!(walked[2], Some(Stairway::Moved { .. })), "{walked:?}");
    assert!(
        matches!(walked[3], Some(Stairway::Failed { during: "down", failure, .. })
            if failure.sqlstate.as_deref() == Some("42P01") && failure.line == 2),
        "{walked:?}"
    );
    assert_eq!((walked[4], walked[5]), (Some(&Stairway::Same), None));
    // The failing statement is the last; nothing runs after it.
    assert_eq!(rehearsal.steps.len(), 6);
    let last = rehearsal.steps[5].statements.last().unwrap();
    assert_eq!(last.failure.as_ref().unwrap().sqlstate.as_deref(), Some("22012"));
    assert_eq!(rehearsal.steps.iter().filter(|step| step.has_failed()).count(), 3);
}

/// Files that succeed one by one but not in one transaction, and the reverse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stairway_runs_its_files_as_a_run_does() {
    let set = set(&[
        ("V1__t.sql", "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (id int PRIMARY KEY, m mood)"),
        // The new value cannot be used before it is committed.
        ("V2__value.sql", "ALTER TYPE mood ADD VALUE 'sad'"),
        (
            "V2__value.down.sql",
            "ALTER TABLE t ALTER m TYPE text; DELETE FROM t WHERE m = 'sad'::mood::text; DROP TYPE mood; \
             CREATE TYPE mood AS ENUM ('ok'); ALTER TABLE t ALTER m TYPE mood USING m::mood",
        ),
        // Settings and temporary tables last for a session.
        (
            "V3__set.sql",
            "SET search_path = pg_catalog; CREATE TEMP TABLE left_over (id int); CREATE TABLE public.s (id int)",
        ),
        ("V3__set.down.sql", "CREATE TEMP TABLE left_over (id int); DROP TABLE s"),
        ("V4__rows.sql", "CREATE TABLE r (id int PRIMARY KEY); INSERT INTO r SELECT generate_series(1, 10)"),
        ("V4__rows.down.sql", "DELETE FROM r; DROP TABLE r"),
        ("V5__commits.sql", "CREATE TABLE c (id int)"),
        ("V5__commits.down.sql", "DROP TABLE c; COMMIT"),
    ]);
    let rehearsal = rehearsed(&set, 10).await;
    let walked: Vec<Option<&Stairway>> = rehearsal.steps.iter().map(|step| step.stairway.as_ref()).collect();
    let same = Some(&Stairway::Same);
    assert_eq!(walked[..4], [None, same, same, same]);
    assert!(
        matches!(walked[4], Some(Stairway::Failed { during: "down", failure, .. }) if failure.message.contains("ends the transaction")),
        "{walked:?}"
    );
}
