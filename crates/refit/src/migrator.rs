//! [`Migrator`]: the entry point, with plan and apply on a connection of the caller's.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use refit_model::MigrationSet;
use tokio_postgres::Client;
use tracing::{Instrument, info, warn};

use crate::connect::{Connection, Target};
use crate::error::{Error, may_wait};
use crate::event::Event;
use crate::history::HistoryState;
use crate::hook::HookRun;
use crate::interrupt::{CancelOnDrop, Canceler};
use crate::lock::{HistoryLock, LockWait, Waited};
use crate::pin::Caller;
use crate::plan::Plan;
use crate::planner::Planner;
use crate::preflight::Preflight;
use crate::prepare::prepare;
use crate::report::Report;
use crate::state::{Component, State};
use crate::step_notices::{StepNotices, Warnings};

/// Plans and applies a set of migrations. Cheap to create and to clone; a program needs one.
///
/// Methods that take a connection ([`plan`](Migrator::plan), [`apply`](Migrator::apply), [`status`](Migrator::status)) work on a
/// session of the caller's. Those that take a URL ([`run`](Migrator::run), [`run_backfills`](Migrator::run_backfills),
/// [`rollback`](Migrator::rollback)) open the sessions that they need, and close them.
#[derive(Clone)]
pub struct Migrator {
    pub(crate) planner: Planner,
}

/// Without the texts of the migrations, which may contain secrets.
impl fmt::Debug for Migrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrator").field("options", &self.planner.options).finish_non_exhaustive()
    }
}

impl Migrator {
    /// The set. It is read at the first call.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> Result<(), refit::Error> {
    /// for migration in migrator.set()?.migrations() {
    ///     println!("{}", migration.path);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Set`] if the folder is malformed.
    pub fn set(&self) -> Result<&Arc<MigrationSet>, Error> {
        self.planner.set()
    }

    /// Compares set and history. It reads only, takes no lock, and costs one round trip if everything is applied.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// let plan = migrator.plan(client).await?;
    /// println!("{} to apply, {} held back", plan.pending.len(), plan.held.len());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the set is malformed or the history cannot be read. A history that does not match the set is not an error:
    /// [`Plan::refusals`] says why it would not be applied.
    pub async fn plan(&self, client: &Client) -> Result<Plan, Error> {
        self.planner.plan(client).await
    }

    /// Finds the records of the history, which the functions of [`backfill`](crate::backfill) take.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// use refit::backfill::JobStatus;
    ///
    /// let state = migrator.state(client).await?;
    /// for job in JobStatus::all(client, &state).await? {
    ///     println!("{job}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`] if a query fails.
    pub async fn state(&self, client: &Client) -> Result<State, Error> {
        let caller = Caller::pin_locally(client, &self.planner.options.history_table()).await?;
        let state = self.planner.state_of(client, caller.relation).await;
        caller.unpin(client).await;
        state
    }

    /// Applies what is pending, on a session of the caller's. The session must not be in a transaction.
    ///
    /// With nothing to do this is one SELECT. Otherwise it takes the migration lock on this session and changes the session's
    /// settings; it restores both at the end. If the future is dropped early, they stay until the connection is closed: do not
    /// pass a connection that goes back to a pool then. Backfills are registered only; see
    /// [`run_backfills`](Migrator::run_backfills).
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, url: &str) -> Result<(), refit::Error> {
    /// let client = refit::connect(url, &refit::ConnectOptions::default()).await?;
    /// let report = migrator.apply(&client).await?;
    /// client.close().await;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error`] says what stopped the run. What was applied before stays, each step with its history row. That includes
    /// [`Error::Drift`], because schemas are compared after the last step.
    pub async fn apply(&self, client: &Client) -> Result<Report, Error> {
        self.planner.options.hooks.observed(self.apply_in_span(client).await).await
    }

    async fn apply_in_span(&self, client: &Client) -> Result<Report, Error> {
        self.finished(client, self.apply_pending(client).boxed()).await
    }

    /// Like a run with nothing to do. Nothing is changed.
    ///
    /// # Errors
    /// [`Error::Pending`] if there is something to do.
    pub(crate) async fn require_applied(&self, client: &Client) -> Result<Report, Error> {
        self.finished(client, self.nothing_pending(client).boxed()).await
    }

    /// What follows on each run, also if there was nothing to do: hooks, and the comparison of schemas.
    async fn finished(
        &self,
        client: &Client,
        work: BoxFuture<'_, Result<Report, Error>>,
    ) -> Result<Report, Error> {
        let environment = &self.planner.options.environment;
        let applied = async {
            let mut report = work.await?;
            let run = HookRun::outside(client, self.planner.options.program(), report.run, false);
            let ended = self.planner.options.hooks.after_run(run, &mut report.warnings).await;
            self.failed_after(client, report.run, ended).await?;
            crate::drift::check(&self.planner, run, &mut report.warnings).await?;
            Ok(report)
        };
        applied.boxed().instrument(tracing::info_span!("run", %environment)).await
    }

    /// Records that a run failed after its last step, and returns its outcome.
    pub(crate) async fn failed_after(
        &self,
        client: &Client,
        run: Option<i64>,
        outcome: Result<(), Error>,
    ) -> Result<(), Error> {
        if let (Err(error), Some(run)) = (&outcome, run)
            && let Err(unrecorded) = self.fail_run(client, run, &error.message()).await
        {
            warn!("{}", unrecorded.message());
        }
        outcome
    }

    async fn fail_run(&self, client: &Client, run: i64, error: &str) -> Result<(), Error> {
        let state = self.state(client).await?;
        crate::pin::pinned(client, async || crate::state::fail_run(client, &state, run, error).await).await
    }

    /// The plan, if it may run; none if all of the set is applied.
    async fn admissible_plan(&self, client: &Client) -> Result<Option<Plan>, Error> {
        self.planner.check_named_versions()?;
        let found = match self.planner.history_state(client).await {
            Err(error) if error.sqlstate() == Some("42501") => {
                return Err(crate::rights::explain_read(client, &self.planner.options, error).await);
            }
            found => found?,
        };
        let history = match found {
            HistoryState::Same => return Ok(None),
            HistoryState::Different(history) => history,
        };
        let plan = self.planner.plan_for(&history)?;
        for warning in &plan.warnings {
            warn!("{warning}");
        }
        match plan.refusals.is_empty() {
            true => Ok(Some(plan)),
            false => Err(Error::Refused(plan.refusals)),
        }
    }

    async fn nothing_pending(&self, client: &Client) -> Result<Report, Error> {
        let began = Instant::now();
        let plan = self.admissible_plan(client).await?;
        let pending: Vec<String> = plan.iter().flat_map(Plan::unfinished).collect();
        match pending.is_empty() {
            true => Ok(self.planner.nothing_to_do(plan, began)),
            false => Err(Error::Pending { environment: self.planner.options.environment.clone(), pending }),
        }
    }

    async fn apply_pending(&self, client: &Client) -> Result<Report, Error> {
        let began = Instant::now();
        let Some(plan) = self.admissible_plan(client).await? else {
            return Ok(self.planner.nothing_to_do(None, began));
        };
        if !plan.needs_run() {
            for held in &plan.held {
                info!(migration = held.stem, gate = %held.gate, "held back");
            }
            return Ok(self.planner.nothing_to_do(Some(plan), began));
        }
        crate::run::run(&self.planner, client, &plan, began).boxed().await
    }

    /// The same, with the target that cancel requests need.
    pub(crate) fn for_url(&self, url: &str) -> Result<Migrator, Error> {
        let mut migrator = self.clone();
        migrator.planner.options.target = Some(Target::parse(url)?);
        Ok(migrator)
    }

    /// The same for a connection of Refit's own, whose notices are logged, reported to hooks, and kept with the step that runs.
    /// Also returns where their warnings are collected.
    pub(crate) fn with_notices_of(mut self, connection: &Connection) -> (Migrator, Warnings) {
        let (notices, warnings) = (StepNotices::default(), Warnings::default());
        self.planner.options.notices = Some(notices.clone());
        let (collected, hooks) = (warnings.clone(), self.planner.options.hooks.clone());
        connection.on_notice(move |notice| {
            let stem = notices.add(&notice);
            let step = stem.as_deref().unwrap_or_default();
            if notice.is_warning() {
                warn!(step, "{}", notice.message);
                collected.add(&notice.message);
            } else {
                info!(step, severity = notice.severity, "{}", notice.message);
            }
            hooks.event(&Event::Notice { notice: &notice, stem: stem.as_deref() });
        });
        (self, warnings)
    }

    /// Applies; if the future is dropped, cancels the statement that runs.
    pub(crate) async fn applied_or_canceled(&self, client: &Client) -> Result<Report, Error> {
        let guard = CancelOnDrop::new(Canceler::new(client, self.planner.options.target.as_ref()));
        let report = self.apply_in_span(client).boxed().await;
        guard.disarm();
        report
    }

    /// Takes the migration lock of the history, as a run does: no run starts until it is released. It polls for as long as
    /// [`wait_for_lock`](Migrator::wait_for_lock) says. Until [`HistoryLock::release`], the session has Refit's own settings.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// let lock = migrator.lock(client).await?;
    /// // … work that no run may interfere with …
    /// lock.release(client).await;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Pooler`] behind a pooler that switches sessions; [`Error::LockTimeout`] if another session holds the lock for
    /// longer; [`Error::Database`] if a query fails.
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

    /// Upgrades the records that an older release of Refit wrote, under the migration lock; does nothing if they are up to date.
    /// Runs, work on backfills and rollbacks do so themselves.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// migrator.upgrade_state(client).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`lock`](Migrator::lock); [`Error::Rights`] if the role lacks privileges; [`Error::ReadOnly`] if the session or
    /// server is read-only.
    pub async fn upgrade_state(&self, client: &Client) -> Result<(), Error> {
        if !self.planner.has_state_to_upgrade(client).await? {
            return Ok(());
        }
        match self.upgrade_state_now(client).boxed().await {
            // A name that is only out of date can wait for a session that may write it.
            Err(error) if may_wait(&error) && !self.planner.has_outdated_state(client).await? => Ok(()),
            upgraded => upgraded,
        }
    }

    async fn upgrade_state_now(&self, client: &Client) -> Result<(), Error> {
        let mut lock = self.lock(client).await?;
        let facts = lock.facts_mut();
        let upgraded = match facts.require_writable(&[], "to be looked after") {
            Ok(()) => {
                prepare(client, facts, &Component::of(self.set()?), &self.planner.options.interrupt)
                    .boxed()
                    .await
            }
            Err(error) => Err(error),
        };
        let upgraded = crate::rights::explained(client, lock.facts_mut(), upgraded).await;
        lock.release(client).await;
        upgraded
    }
}
