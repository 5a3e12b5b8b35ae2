//! The script of a plan: a run for what is pending, then the loops of its backfills and another run for what waited for them.

use std::collections::VecDeque;

use refit_model::{Migration, MigrationSet};
use tokio_postgres::Client;

use super::backfill::{self, Rows};
use super::heading_of_plan;
use super::writer::Writer;
use crate::backfill::engine::registration_in;
use crate::environment::closed_gates;
use crate::error::Error;
use crate::exec::{Step, record_repeatable_in};
use crate::history::{History, HistoryRow};
use crate::plan::{Plan, PlannedStep};
use crate::planner::Planner;
use crate::preflight::Preflight;
use crate::run::refuse_what_cannot_run;
use crate::state::BackfillState;

pub(super) async fn script(
    planner: &Planner,
    client: &Client,
    facts: &Preflight,
    mut history: History,
) -> Result<String, Error> {
    let set = planner.set()?;
    let mut plan = planner.plan_of_migrations(&history)?;
    refuse(set, &plan)?;
    // The person who runs the script decides when; the heading says what a run would wait for.
    plan.gates = closed_gates(client, &planner.options, set, &plan.pending).await?;
    if plan.pending.is_empty() {
        return Ok(heading_of_plan(&plan));
    }
    let newest = set.migrations().last().map(|migration| migration.version);
    let mut script = Writer::begin(planner, client, facts, &heading_of_plan(&plan), newest).await?;
    // As a run does: after each backfill, what waited for it.
    let mut backfills = VecDeque::new();
    loop {
        if !plan.pending.is_empty() {
            refuse(set, &plan)?;
            script.begin_run(plan.pending.len(), None);
            for step in &plan.pending {
                write_step(&mut script, client, set, step).await?;
                applied(&mut history, set, step);
            }
            script.end_run();
            for migration in plan.pending.iter().filter_map(|step| set.migration(step.version?)) {
                let Some(rows) = backfill::rows(migration) else { continue };
                backfills.push_back((migration.version, rows));
                history.backfills.insert(migration.version, BackfillState::Unfinished);
            }
        }
        let Some((version, rows)) = backfills.pop_front() else { break };
        backfill::write(&mut script, &rows);
        let state = match rows {
            Rows::Loop { .. } => BackfillState::Complete,
            Rows::Registered { .. } => BackfillState::Unfinished,
        };
        history.backfills.insert(version, state);
        plan = planner.plan_of_migrations(&history)?;
    }
    for held in &plan.held {
        script.comment(&format!("Not applied: {}  ({})", held.stem, held.gate));
    }
    Ok(script.finish())
}

/// Refuses what a run would refuse, and what only a run can do.
fn refuse(set: &MigrationSet, plan: &Plan) -> Result<(), Error> {
    if !plan.refusals.is_empty() {
        return Err(Error::Refused(plan.refusals.clone()));
    }
    if let Some(version) = plan.restoring.first() {
        return Err(Error::Target(format!(
            "version {version} is being rolled back: finish it with `cargo xtask rollback` first"
        )));
    }
    if let Some(version) = plan.reregister.first() {
        return Err(Error::Target(format!(
            "the backfill of version {version} is not recorded, and only a run registers it again: `cargo xtask migrate`"
        )));
    }
    refuse_what_cannot_run(set, plan)
}

async fn write_step(
    script: &mut Writer<'_>,
    client: &Client,
    set: &MigrationSet,
    planned: &PlannedStep,
) -> Result<(), Error> {
    let facts = script.facts;
    let (step, text, record) = match planned.version {
        Some(version) => {
            let Some(migration) = set.migration(version) else { return Ok(()) };
            let step = Step::versioned(migration, &facts.state);
            let record = script.record_versioned(&step);
            let text = match &migration.directives.backfill {
                Some(directive) => registration_in(&facts.state, &script.history, migration, directive),
                None => migration.sql.to_string(),
            };
            (step, text, record)
        }
        None => {
            let Some(repeatable) = set.repeatable(&planned.stem) else { return Ok(()) };
            let step = Step::repeatable(repeatable);
            let relation = format!(
                "{}::pg_catalog.regclass::pg_catalog.oid",
                postgres_protocol::escape::escape_literal(&facts.history_table)
            );
            let record = record_repeatable_in(&step, facts, &script.history, &relation);
            (step, repeatable.sql.to_string(), record)
        }
    };
    match step.transaction {
        true => script.transaction(&step, &text, &record),
        false => script.by_statement(client, &step, &record).await?,
    }
    Ok(())
}

/// Adds a step to the history, as a run would leave it.
fn applied(history: &mut History, set: &MigrationSet, step: &PlannedStep) {
    match step.version {
        Some(version) => {
            let Some(Migration { file, .. }) = set.migration(version) else { return };
            let row = HistoryRow { version, name: file.name.clone(), checksum: file.checksum };
            history.versioned.push(row);
            history.versioned.sort_by_key(|row| row.version);
        }
        None => {
            let Some(repeatable) = set.repeatable(&step.stem) else { return };
            let row = HistoryRow { version: 0, name: repeatable.name.clone(), checksum: repeatable.checksum };
            history.repeatable.retain(|applied| applied.name != row.name);
            history.repeatable.push(row);
        }
    }
}
