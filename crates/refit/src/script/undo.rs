//! The script of a rollback: what happens to the jobs of backfills, then the down files, newest first.

use refit_model::Migration;
use tokio_postgres::Client;

use super::heading_of_rollback;
use super::writer::Writer;
use crate::error::Error;
use crate::exec::{Down, Step};
use crate::history::{RESTORING, UNDOING};
use crate::plan::UndoBackfill;
use crate::planner::Planner;
use crate::preflight::Preflight;
use crate::rollback::{RollbackPlan, UndoStep, mark, record};

pub(super) async fn script(
    planner: &Planner,
    client: &Client,
    facts: &Preflight,
    plan: &RollbackPlan,
) -> Result<String, Error> {
    let set = planner.set()?;
    for step in &plan.steps {
        refuse(step)?;
    }
    if plan.steps.is_empty() {
        return Ok(heading_of_rollback(plan));
    }
    let mut script = Writer::begin(planner, client, facts, &heading_of_rollback(plan), None).await?;
    script.begin_run(plan.steps.len(), Some(plan.to));
    for step in &plan.steps {
        let Some(migration) = set.migration(step.version) else { continue };
        undo(&mut script, client, step, migration).await?;
    }
    script.end_run();
    Ok(script.finish())
}

/// Refuses to write what only Refit can do.
fn refuse(step: &UndoStep) -> Result<(), Error> {
    match step.backfill {
        Some(UndoBackfill::Restores { .. }) => Err(Error::Target(format!(
            "{} restores rows from its journal, which a script cannot resume: use `cargo xtask rollback`, or leave the rows as \
             they are (--leave-rows {})",
            step.stem, step.version
        ))),
        Some(UndoBackfill::Deletes { .. }) => Err(Error::Target(format!(
            "{} deletes the rows in its journal, which a script cannot resume: use `cargo xtask rollback`, or leave the rows as \
             they are (--leave-rows {})",
            step.stem, step.version
        ))),
        _ => Ok(()),
    }
}

async fn undo(
    script: &mut Writer<'_>,
    client: &Client,
    step: &UndoStep,
    migration: &Migration,
) -> Result<(), Error> {
    let facts = script.facts;
    if step.backfill.is_some() {
        stop_job(script, migration);
    }
    let down = Down::of(migration).map_err(Error::Target)?;
    let step = Step::undo(migration, down.as_ref());
    let record = record(facts, &script.history, migration);
    if step.transaction {
        script.transaction(&step, step.sql, &record);
        return Ok(());
    }
    script.push(&format!("\n{};\n", mark(facts, migration, UNDOING)));
    script.by_statement(client, &step, &record).await
}

/// Ends the newest job of a backfill, whose rows stay as they are, and records that it is undone.
fn stop_job(script: &mut Writer<'_>, migration: &Migration) {
    let facts = script.facts;
    let schema = facts.state.quoted();
    let of = format!("history_id = {} AND version = {}", script.history, migration.version);
    let newest = format!("id = (SELECT pg_catalog.max(id) FROM {schema}.backfill WHERE {of})");
    let check = script.check(true);
    script.push("\n");
    script.comment(&format!("{}: the backfill ends, and its rows stay as they are", migration.path));
    script.push(&format!(
        "BEGIN;\nSET LOCAL lock_timeout = '30s';\n{check}SET LOCAL search_path = pg_catalog, pg_temp;\n{};\n\
         UPDATE {schema}.backfill SET requested = 'cancel', state = 'canceled', finished_at = pg_catalog.clock_timestamp(), throttle = NULL,\n    \
             journal = CASE WHEN kind = 'forward' THEN journal END WHERE {newest} AND state <> 'complete';\n\
         INSERT INTO {schema}.backfill (version, name, kind, statement, directive, state, finished_at, history_id, search_path, relation,\n    \
                 relation_oid, schema_oid)\n    \
             SELECT version, name, 'undo', '', (directive::pg_catalog.jsonb - 'undo' - 'remaining' - 'only')::pg_catalog.text, 'complete',\n        \
                 pg_catalog.clock_timestamp(), history_id, search_path, relation, relation_oid, schema_oid\n    \
             FROM {schema}.backfill WHERE {newest} AND NOT (kind = 'undo' AND state = 'complete');\n\
         UPDATE {schema}.backfill_range SET token = token + 1, leased_until = NULL\n    \
             WHERE NOT done AND backfill_id IN (SELECT id FROM {schema}.backfill WHERE {of});\nCOMMIT;\n",
        mark(facts, migration, RESTORING),
    ));
}
