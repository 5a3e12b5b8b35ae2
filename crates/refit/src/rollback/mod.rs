//! Rollback: every applied migration above a version is undone, newest first, by its down file and by its backfill's journal.
//!
//! *Invariant*: before the first step runs, every step is known to be possible, under the same lock.

mod plan;
mod run;

pub use plan::{RollbackPlan, UndoStep};
pub use run::RollbackReport;
pub(crate) use run::{mark, record};

use refit_model::Version;
use tokio_postgres::Client;
use tracing::Instrument;

use crate::environment::closed_gates;
use crate::error::{Error, Refusal, outdated};
use crate::history::HistoryState;
use crate::hook::HookRun;
use crate::migrator::Migrator;
use crate::pin::Caller;
use crate::preflight::Preflight;
use crate::state::State;

/// The target of a rollback, and the rows that need not be restored.
///
/// ```
/// // Undo everything above version 12, and leave the rows that the backfill of version 14 changed.
/// let rollback = refit::Rollback { to: 12, leave_rows: vec![14], ..Default::default() };
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollback {
    /// The version to roll back to; 0 undoes all.
    pub to: Version,
    /// Backfills whose rows stay as they are: nothing is restored; down files run if they exist.
    pub leave_rows: Vec<Version>,
    /// Migrations that a [`Hook`](crate::Hook) undoes before their step, such as `refit_backup::RestoreHook`: they need no down
    /// file, nor a journal. Those that have one are undone by it, and the hook is called too.
    pub by_hook: Vec<Version>,
}

impl Migrator {
    /// The rollback that undoes the last migration: the applied one with the highest version. Read-only.
    ///
    /// Its [`to`](Rollback::to) is the version applied below that one; 0 if there is none.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client, url: &str) -> Result<(), refit::Error> {
    /// let rollback = migrator.last_rollback(client).await?;
    /// println!("{}", migrator.plan_rollback(client, &rollback).await?);
    /// println!("{}", migrator.rollback(url, &rollback).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the history cannot be read.
    pub async fn last_rollback(&self, client: &Client) -> Result<Rollback, Error> {
        let history = self.planner.history_of(self.planner.history_state(client).await?)?;
        let mut versions: Vec<Version> = history.versioned.iter().map(|row| row.version).collect();
        versions.sort_unstable();
        Ok(Rollback { to: versions.iter().rev().nth(1).copied().unwrap_or(0), ..Rollback::default() })
    }

    /// Plans a rollback. Read-only.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// let rollback = refit::Rollback { to: 12, ..Default::default() };
    /// let plan = migrator.plan_rollback(client, &rollback).await?;
    /// for step in &plan.steps {
    ///     println!("undo {}", step.stem);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When there is no such version, or the history cannot be read. A rollback that is refused is not an error: see
    /// [`RollbackPlan::refusals`].
    pub async fn plan_rollback(&self, client: &Client, rollback: &Rollback) -> Result<RollbackPlan, Error> {
        if self.set()?.has_backfills() && self.planner.has_outdated_state(client).await? {
            return Err(outdated());
        }
        let found = self.planner.history_state(client).await?;
        let caller = Caller::pin_locally(client, &self.planner.options.history_table()).await?;
        let plan = async {
            let state = self.planner.state_of(client, caller.relation).await?;
            let mut plan = self.rollback_plan_of(client, found, &state, rollback).await?;
            if !plan.steps.is_empty() {
                plan.gates = closed_gates(client, &self.planner.options, self.set()?, &[]).await?;
            }
            Ok(plan)
        };
        let plan = plan.await;
        caller.unpin(client).await;
        plan
    }

    /// The same on a session that is pinned.
    async fn rollback_plan_pinned(
        &self,
        client: &Client,
        facts: &Preflight,
        rollback: &Rollback,
    ) -> Result<RollbackPlan, Error> {
        let found = self.planner.history_state_pinned(client, facts).await?;
        self.rollback_plan_of(client, found, &facts.state, rollback).await
    }

    async fn rollback_plan_of(
        &self,
        client: &Client,
        found: HistoryState,
        state: &State,
        rollback: &Rollback,
    ) -> Result<RollbackPlan, Error> {
        let (set, environment) = (self.set()?, &self.planner.options.environment);
        let history = self.planner.history_of(found)?;
        if !history.elsewhere.is_empty() {
            return Err(Error::Refused(vec![Refusal::Elsewhere { schemas: history.elsewhere }]));
        }
        RollbackPlan::compute(client, state, set, &history, environment, rollback).await
    }

    /// Undoes every applied migration above a version, newest first. This destroys what they added.
    ///
    /// Each down file runs as a step does: in one transaction with the history, under `lock_timeout`, with retries; or statement by
    /// statement with `transaction = false`. The rows of a backfill with `undo` are restored first, in batches. Another call
    /// resumes an interrupted rollback. The migration lock is held throughout.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, url: &str) -> Result<(), refit::Error> {
    /// let rollback = refit::Rollback { to: 12, ..Default::default() };
    /// println!("{}", migrator.rollback(url, &rollback).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::RollbackRefused`] before anything happens, if a step is not possible; [`Error::Gated`] if the environment has a
    /// closed window or a freeze period; [`Error::Backfill`] when rows
    /// cannot be restored; and those of [`apply`](Migrator::apply). Steps that were undone before stay undone.
    pub async fn rollback(&self, url: &str, rollback: &Rollback) -> Result<RollbackReport, Error> {
        let span = tracing::info_span!("rollback", environment = %self.planner.options.environment, to = rollback.to);
        let outcome = async {
            let connection = crate::connect::connect(url, &self.planner.options.connect).await?;
            let (migrator, warned) = self.clone().with_notices_of(&connection);
            let outcome = migrator.rolled_back(&connection, url, rollback).instrument(span).await;
            connection.close().await;
            outcome.map(|mut report| {
                report.warnings.extend(warned.take());
                report
            })
        };
        self.planner.options.hooks.observed(outcome.await).await
    }

    async fn rolled_back(
        &self,
        client: &Client,
        url: &str,
        rollback: &Rollback,
    ) -> Result<RollbackReport, Error> {
        let mut report = Box::pin(run::run(self, client, url, rollback)).await?;
        let options = &self.planner.options;
        let run = HookRun::outside(client, options.program(), report.run, true);
        let ended = options.hooks.after_run(run, &mut report.warnings).await;
        self.failed_after(client, report.run, ended).await?;
        Ok(report)
    }
}
