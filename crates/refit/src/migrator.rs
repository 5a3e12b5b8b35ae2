//! The entry: options, plan, apply.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use refit_model::MigrationSet;
use tokio_postgres::Client;
use tracing::{Instrument, info, warn};

use crate::connect::Target;
use crate::drift::DriftCheck;
use crate::error::{Error, may_wait};
use crate::history::HistoryState;
use crate::hook::{self, Hook, HookRun};
use crate::interrupt::{CancelOnDrop, Canceler};
use crate::lock::{HistoryLock, LockWait, Waited};
use crate::pin::Caller;
use crate::plan::Plan;
use crate::planner::Planner;
use crate::preflight::Preflight;
use crate::prepare::prepare;
use crate::report::Report;
use crate::state::State;

/// Plans and applies a set of migrations. Cheap to make; one serves a whole program.
#[derive(Clone)]
pub struct Migrator {
    pub(crate) planner: Planner,
}

/// Without the texts of the migrations, which may hold secrets.
impl fmt::Debug for Migrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrator").field("options", &self.planner.options).finish_non_exhaustive()
    }
}

impl Migrator {
    /// The set, read once.
    ///
    /// # Errors
    /// [`Error::Set`] when the folder is malformed.
    pub fn set(&self) -> Result<&Arc<MigrationSet>, Error> {
        self.planner.set()
    }

    /// Compares set and history. Reads only: one round trip where the history is the whole set.
    ///
    /// # Errors
    /// When the set is malformed or the history cannot be read. A history that does not fit is no error here: it is in
    /// [`Plan::refusals`].
    pub async fn plan(&self, client: &Client) -> Result<Plan, Error> {
        self.planner.plan(client).await
    }

    /// Finds what is remembered of the history: what [`backfill`](crate::backfill)'s functions ask for.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn state(&self, client: &Client) -> Result<State, Error> {
        let caller = Caller::pin_locally(client, &self.planner.options.history_table()).await?;
        let state = self.planner.state_of(client, caller.relation).await;
        caller.unpin(client).await;
        state
    }

    /// Applies what is pending, on a session of the caller's own.
    ///
    /// With nothing to do this is one SELECT. Otherwise it takes the run's lock on this session, and gives it back;
    /// dropping the future early leaves both to the connection's end, so do not pass a pooled connection whose pool
    /// outlives the call.
    ///
    /// # Errors
    /// [`Error`] says what stopped the run. What was applied before stays, each step with its history row; that holds for
    /// [`Error::Drift`] too, which is only known when all is applied.
    pub async fn apply(&self, client: &Client) -> Result<Report, Error> {
        let span = tracing::info_span!("run", environment = %self.planner.options.environment);
        self.apply_in_span(client).instrument(span).await
    }

    async fn apply_in_span(&self, client: &Client) -> Result<Report, Error> {
        let outcome = self.applied_with_hooks(client).await;
        if let Err(error) = &outcome {
            self.planner.options.hooks.failed(error);
        }
        outcome
    }

    async fn applied_with_hooks(&self, client: &Client) -> Result<Report, Error> {
        let mut report = self.apply_pending(client).await?;
        let environment = &self.planner.options.environment;
        let run = HookRun { client, environment, is_rollback: false };
        self.planner.options.hooks.after_run(run, &mut report.warnings).await?;
        let drift = DriftCheck::new(&self.planner);
        drift
            .after_run(run, &mut report.warnings)
            .await
            .map_err(|error| hook::failure("after the run", error))?;
        Ok(report)
    }

    async fn apply_pending(&self, client: &Client) -> Result<Report, Error> {
        let began = Instant::now();
        self.planner.check_named_versions()?;
        let found = match self.planner.history_state(client).await {
            Err(error) if error.sqlstate() == Some("42501") => {
                return Err(crate::rights::explain_read(client, &self.planner.options, error).await);
            }
            found => found?,
        };
        let history = match found {
            HistoryState::Same => return Ok(self.planner.nothing_to_do(None, began)),
            HistoryState::Different(history) => history,
        };
        let plan = self.planner.plan_for(&history)?;
        for warning in &plan.warnings {
            warn!("{warning}");
        }
        if !plan.refusals.is_empty() {
            return Err(Error::Refused(plan.refusals));
        }
        if !plan.needs_run() {
            for held in &plan.held {
                info!(migration = held.stem, gate = %held.gate, "held back");
            }
            return Ok(self.planner.nothing_to_do(Some(plan), began));
        }
        // Boxed: a future that contains it is small, and quick to compile.
        Box::pin(crate::run::run(&self.planner, client, &plan, began)).await
    }

    /// The same with what cancel requests to a URL need.
    pub(crate) fn for_url(&self, url: &str) -> Result<Migrator, Error> {
        let mut migrator = self.clone();
        migrator.planner.options.target = Some(Target::parse(url)?);
        Ok(migrator)
    }

    /// Applies, and cancels the statement that runs when the future is dropped.
    pub(crate) async fn applied_or_canceled(&self, client: &Client) -> Result<Report, Error> {
        let guard = CancelOnDrop::new(Canceler::new(client, self.planner.options.target.as_ref()));
        let report = self.apply(client).await;
        guard.disarm();
        report
    }

    /// Takes the lock of the history as a run does, by polling; until it is released, the session is pinned to Refit's
    /// own settings. Waits as [`wait_for_lock`](Migrator::wait_for_lock) says.
    ///
    /// # Errors
    /// [`Error::Pooler`] behind a pooler that switches sessions; [`Error::LockTimeout`] when another session holds the lock for
    /// longer; and when the database cannot be asked.
    pub async fn lock(&self, client: &Client) -> Result<HistoryLock, Error> {
        let facts = Preflight::read(client, &self.planner.options).await?;
        let locked = async {
            let mut wait = LockWait::new(facts.lock, &facts.state, &self.planner.options);
            while let Waited::NotYet = wait.poll(client).await? {}
            Ok(())
        };
        match locked.await {
            Ok(()) => Ok(HistoryLock { facts }),
            Err(error) => {
                facts.end_after(client, "").await;
                Err(error)
            }
        }
    }

    /// Brings what an older release remembered of the history to the form of this one, under the migration lock; nothing where that is
    /// done. Runs, work on backfills and rollbacks do so themselves.
    ///
    /// # Errors
    /// Those of [`lock`](Migrator::lock), and when the role may not, or the server does not write.
    pub async fn upgrade_state(&self, client: &Client) -> Result<(), Error> {
        if !self.planner.has_state_to_upgrade(client).await? {
            return Ok(());
        }
        match self.upgrade_state_now(client).await {
            // A name that is only out of date can wait for a session that may write it.
            Err(error) if may_wait(&error) && !self.planner.has_outdated_state(client).await? => Ok(()),
            upgraded => upgraded,
        }
    }

    async fn upgrade_state_now(&self, client: &Client) -> Result<(), Error> {
        let mut lock = self.lock(client).await?;
        let facts = lock.facts_mut();
        let upgraded = match facts.require_writable(&[], "to be looked after") {
            Ok(()) => prepare(client, facts, true, &self.planner.options.interrupt).await,
            Err(error) => Err(error),
        };
        let upgraded = crate::rights::explained(client, lock.facts_mut(), upgraded).await;
        lock.release(client).await;
        upgraded
    }
}
