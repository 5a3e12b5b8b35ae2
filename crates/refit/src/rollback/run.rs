//! Runs a rollback: facts, lock, plan again, steps, end.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refit_model::wording::{counted, elapsed};
use refit_model::{Migration, Version};
use serde::Serialize;
use tokio_postgres::Client;
use tracing::{Instrument, info, warn};

use super::{Rollback, RollbackPlan, UndoStep};
use crate::backfill::driver::register_undo;
use crate::environment::admit;
use crate::environment_gate::Override;
use crate::error::Error;
use crate::event::Event;
use crate::exec::{Down, Step, StepContext};
use crate::history::{RESTORING, UNDOING};
use crate::hook::HookStep;
use crate::lock::{LockWait, Waited, release};
use crate::migrator::Migrator;
use crate::plan::{StepKind, UndoBackfill};
use crate::preflight::Preflight;
use crate::prepare::prepare;
use crate::report::{JobStatus, StepReport, seconds};
use crate::run::context;
use crate::state::{self, Component, RunEnd};

/// What a rollback did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RollbackReport {
    /// The run's identity in `refit.run`; `None` if there was nothing to undo.
    pub run: Option<i64>,
    /// The environment that it was for.
    pub environment: String,
    /// The newest applied version afterwards.
    pub version: Option<Version>,
    /// What was undone, in order.
    pub steps: Vec<StepReport>,
    /// The backfills whose rows were restored.
    pub backfills: Vec<JobStatus>,
    /// Repeatable migrations that run again with the next migrate.
    pub repeatables: Vec<String>,
    /// What hooks warn of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The gates of the environment that it was allowed to pass, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
    /// How long the rollback took, in seconds, waiting included.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// How long it waited for another run, in seconds.
    #[serde(serialize_with = "seconds")]
    pub waited: Duration,
}

pub(super) async fn run(
    migrator: &Migrator,
    client: &Client,
    url: &str,
    rollback: &Rollback,
) -> Result<RollbackReport, Error> {
    let began = Instant::now();
    if !rollback.by_hook.is_empty() && !migrator.planner.options.hooks.sees_steps() {
        let error =
            "no hook sees the steps of the rollback, so none can undo a migration (Rollback::by_hook)";
        return Err(Error::Target(error.to_owned()));
    }
    if migrator.set()?.has_backfills() {
        migrator.upgrade_state(client).await?;
    }
    let plan = may_run(migrator.plan_rollback(client, rollback).await?)?;
    if plan.steps.is_empty() {
        return Ok(nothing(plan));
    }
    let names: Vec<_> = plan.steps.iter().map(|step| (Some(step.version), step.stem.clone())).collect();
    let mut facts = Preflight::read(client, &migrator.planner.options).await?;
    let outcome = match facts.require_writable(&names, "to be undone") {
        Ok(()) => match admit(client, &migrator.planner.options, migrator.set()?, &[]).await {
            Ok(_) => Box::pin(waiting(migrator, client, url, &mut facts, rollback)).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    let outcome = crate::rights::explained(client, &facts, outcome).await;
    release(client, &facts).await;
    outcome.map(|report| RollbackReport { duration: began.elapsed(), ..report })
}

async fn waiting(
    migrator: &Migrator,
    client: &Client,
    url: &str,
    facts: &mut Preflight,
    rollback: &Rollback,
) -> Result<RollbackReport, Error> {
    let state = facts.state.clone();
    let mut wait = LockWait::new(facts.lock, &state, &migrator.planner.options);
    let mut waited = Duration::ZERO;
    while let Waited::NotYet = wait.poll(client).await? {
        waited = wait.elapsed();
    }
    let report = locked(migrator, client, url, facts, rollback, waited).await?;
    Ok(RollbackReport { waited, ..report })
}

/// The plan, if it may run.
fn may_run(plan: RollbackPlan) -> Result<RollbackPlan, Error> {
    match plan.refusals.is_empty() {
        true => Ok(plan),
        false => Err(Error::RollbackRefused(plan.refusals)),
    }
}

fn nothing(plan: RollbackPlan) -> RollbackReport {
    RollbackReport {
        run: None,
        environment: plan.environment,
        version: plan.current,
        steps: Vec::new(),
        backfills: Vec::new(),
        repeatables: Vec::new(),
        warnings: Vec::new(),
        overridden: None,
        duration: Duration::ZERO,
        waited: Duration::ZERO,
    }
}

/// The part that runs under the lock, so that no other session changes the history.
async fn locked(
    migrator: &Migrator,
    client: &Client,
    url: &str,
    facts: &mut Preflight,
    rollback: &Rollback,
    waited: Duration,
) -> Result<RollbackReport, Error> {
    let set = Arc::clone(migrator.set()?);
    // The plan reads the state, which has to be of this release's version.
    prepare(client, facts, &Component::of(&set), &migrator.planner.options.interrupt).await?;
    let plan = may_run(migrator.rollback_plan_pinned(client, facts, rollback).await?)?;
    if plan.steps.is_empty() {
        return Ok(nothing(plan));
    }
    let facts = &*facts;
    let mut admission = admit(client, &migrator.planner.options, &set, &[]).await?;
    let begin = state::RunBegin {
        environment: &plan.environment,
        release: migrator.planner.options.release.as_deref(),
        planned: plan.steps.len(),
        waited,
        overridden: admission.overridden.as_ref(),
    };
    let run = state::begin_undo(client, &facts.state, begin, plan.to).await?;
    info!(run, steps = plan.steps.len(), to = plan.to, "rolling back");
    let hooks = &migrator.planner.options.hooks;
    hooks.event(&Event::Began { steps: plan.steps.len() });
    let context = context(&migrator.planner, client, facts, &set, run);
    let steps = plan.steps.iter().map(|step| HookStep::new(StepKind::Undo, Some(step.version), &step.stem));
    let mut outcome = hooks.before_run(context.hook_run(true), &steps.collect::<Vec<_>>()).await;
    let mut back = Undoing { migrator, url, context, rollback, steps: Vec::new(), backfills: Vec::new() };
    for step in &plan.steps {
        if let (Ok(()), Some(deadline)) = (&outcome, &mut admission.deadline) {
            outcome = deadline.check(client, &step.stem, back.steps.len()).await;
        }
        if outcome.is_err() {
            break;
        }
        let Some(migration) = set.migration(step.version) else { continue };
        let span = tracing::info_span!("undo", migration = step.stem);
        outcome = Box::pin(back.undo(step, migration)).instrument(span).await;
    }
    state::end_run(client, &facts.state, run, outcome, &RunEnd::of(&back.steps, &[], &[])).await?;
    state::expire_runs(client, &facts.state, set.settings().retention).await;
    Ok(RollbackReport {
        run: Some(run),
        environment: plan.environment,
        version: plan.remaining,
        steps: back.steps,
        backfills: back.backfills,
        repeatables: plan.repeatables,
        warnings: Vec::new(),
        overridden: admission.overridden,
        duration: Duration::ZERO,
        waited: Duration::ZERO,
    })
}

/// A rollback in progress.
struct Undoing<'a> {
    migrator: &'a Migrator,
    url: &'a str,
    context: StepContext<'a>,
    rollback: &'a Rollback,
    steps: Vec<StepReport>,
    backfills: Vec<JobStatus>,
}

impl Undoing<'_> {
    /// Undoes one migration: rows first, then its down file with its history row.
    async fn undo(&mut self, step: &UndoStep, migration: &Migration) -> Result<(), Error> {
        let hooked = HookStep::new(StepKind::Undo, Some(step.version), &step.stem);
        let left_to_hook = step.by_hook && matches!(step.backfill, Some(UndoBackfill::Left));
        if step.by_hook {
            // What the hook undoes may be half undone from here on, and no batch may run beside it.
            self.mark(migration, RESTORING).await?;
            if left_to_hook {
                self.restore_rows(step, migration, true).await?;
            }
        }
        self.context.hooks.before_step(self.context.hook_run(true), hooked).await?;
        if step.backfill.is_some() && !left_to_hook {
            let leave = self.rollback.leave_rows.contains(&step.version);
            self.restore_rows(step, migration, leave).await?;
        }
        let down = Down::of(migration).map_err(Error::Target)?;
        let step = Step::undo(migration, down.as_ref());
        if !step.transaction {
            self.mark(migration, UNDOING).await?;
        }
        let report = self.context.run(&step, &self.record(migration), None, async || ()).await;
        if report.is_err() && !step.transaction {
            self.unmark(migration).await;
        }
        let report = report?;
        info!(migration = report.stem, duration = ?report.duration, attempts = report.attempts, "undone");
        self.steps.push(report);
        Ok(())
    }

    /// Ends a backfill, and restores its rows from its journal unless they are left as they are.
    async fn restore_rows(
        &mut self,
        step: &UndoStep,
        migration: &Migration,
        leave: bool,
    ) -> Result<(), Error> {
        // Sessions that wait for the lock, and pg_stat_activity, show what runs.
        let name = postgres_protocol::escape::escape_literal(&crate::application_name::rollback(&step.stem));
        let named = self.context.client.batch_execute(&format!("SET application_name = {name}")).await;
        named.map_err(Error::database("preparing the session"))?;
        self.mark(migration, RESTORING).await?;
        let state = &self.context.facts.state;
        if let Some(job) = register_undo(self.context.client, state, step.version, leave).await? {
            self.backfills.push(self.migrator.restore(self.context.client, self.url, &job).await?);
        }
        Ok(())
    }

    /// Marks the migration in the history as being undone, before its first change: after an interruption, only a rollback can
    /// continue.
    async fn mark(&self, migration: &Migration, mark: u64) -> Result<(), Error> {
        let sql = self::mark(self.context.facts, migration, mark);
        let marked = self.context.client.execute_typed(&sql, &[]).await;
        match marked.map_err(Error::database("marking a migration as being undone"))? {
            1 => Ok(()),
            _ => Err(Error::History(format!(
                "version {} has changed since the plan was made; run again",
                migration.version
            ))),
        }
    }

    /// Removes the mark if not even the first statement of the down file had an effect.
    async fn unmark(&self, migration: &Migration) {
        let facts = self.context.facts;
        let sql = format!(
            "UPDATE {} SET checksum = '{}' WHERE version = {} AND checksum = '{UNDOING}' AND ( \
                 SELECT statements_done = 0 AND statement_begun IS NULL FROM {}.step \
                 WHERE run_id = {} AND kind = 'undo' AND version = {2} ORDER BY id DESC LIMIT 1)",
            facts.history_table,
            migration.checksum,
            migration.version,
            facts.state.quoted(),
            self.context.run,
        );
        if let Err(error) = self.context.client.batch_execute(&sql).await {
            warn!(error = %crate::error::describe(&error), "the migration stays marked as being undone");
        }
    }

    fn record(&self, migration: &Migration) -> String {
        let facts = self.context.facts;
        record(facts, &facts.state.history().to_string(), migration)
    }
}

/// The part of a step's WITH that changes records: it deletes the history row, and those of repeatable migrations, which run again
/// because the down file may remove what they created or need. `history` is an SQL expression for the id of the history.
pub(crate) fn record(facts: &Preflight, history: &str, migration: &Migration) -> String {
    format!(
        "DELETE FROM {} WHERE version = {} AND checksum IN ({}) RETURNING 1), \
         again AS (DELETE FROM {}.repeatable WHERE history_id = {history} RETURNING 1",
        facts.history_table,
        migration.version,
        expected(migration),
        facts.state.quoted(),
    )
}

/// SQL that marks a migration in the history as being undone.
pub(crate) fn mark(facts: &Preflight, migration: &Migration, mark: u64) -> String {
    format!(
        "UPDATE {} SET checksum = '{mark}' WHERE version = {} AND checksum IN ({})",
        facts.history_table,
        migration.version,
        expected(migration)
    )
}

/// The checksums that the history row of a migration may have while it is undone, as literals.
fn expected(migration: &Migration) -> String {
    let checksums = crate::history::checksum::accepted(migration);
    let literals = checksums.iter().chain(&[UNDOING, RESTORING]).map(|checksum| format!("'{checksum}'"));
    literals.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for RollbackReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for backfill in &self.backfills {
            writeln!(f, "  restored  {backfill}")?;
        }
        for step in &self.steps {
            writeln!(f, "  undone  {}  {}", step.stem, elapsed(step.duration))?;
        }
        for stem in &self.repeatables {
            writeln!(f, "  again   {stem}  (runs with the next migrate)")?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        if let Some(overridden) = &self.overridden {
            writeln!(f, "  gates passed: {overridden}")?;
        }
        let version = self.version.map_or("none".to_owned(), |version| version.to_string());
        match self.steps.len() {
            0 => write!(f, "nothing to undo")?,
            count => write!(f, "undid {}", counted(count, "migration"))?,
        }
        write!(f, " in {}", elapsed(self.duration))?;
        if !self.waited.is_zero() {
            write!(f, ", {} of it waiting for another run", elapsed(self.waited))?;
        }
        write!(f, "; the database is at version {version}")
    }
}
