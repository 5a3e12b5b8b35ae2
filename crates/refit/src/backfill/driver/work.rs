//! Runs jobs one after the other, in the order of their versions, each with its workers and its supervisor.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select, try_join_all};
use refit_model::{Check, Version, When};
use tokio::sync::watch;
use tokio_postgres::Client;
use tracing::{info, warn};

use crate::backfill::engine::batch::Walk;
use crate::backfill::engine::begin::{Began, begin, is_function};
use crate::backfill::engine::facts;
use crate::backfill::engine::finish::{Finished, finish};
use crate::backfill::engine::job::Job;
use crate::backfill::engine::names::follow_if_behind;
use crate::backfill::engine::readonly::{Refusals, require_writable};
use crate::backfill::engine::recovery::pauses;
use crate::backfill::engine::rights;
use crate::backfill::engine::shape::Shape;
use crate::backfill::engine::supervisor::{Gauge, Supervisor};
use crate::backfill::engine::throttle::controller::Allowance;
use crate::backfill::engine::throttle::signals::try_own;
use crate::backfill::engine::worker::{Worker, is_server_failure};
use crate::error::Error;
use crate::event::Event;
use crate::interrupt::Canceler;
use crate::migrator::Migrator;
use crate::pin::{Caller, pinned};
use crate::report::{JobStatus, Report};
use crate::state::State;

/// How often a job that is paused, or that another process runs, is polled.
pub(super) const POLL: Duration = Duration::from_millis(500);
/// How often a background task polls for a failed job that was resumed.
const POLL_FAILED: Duration = Duration::from_secs(5);

/// How work on a job ended.
#[derive(Debug)]
pub(super) enum Ended {
    Complete,
    /// Paused or canceled, or ended by another process.
    Stopped,
    /// It failed, or is incomplete: the message.
    Failed(String),
}

impl Migrator {
    /// Works on the database's backfills until all are complete, and applies what waited for them. This is for a process that does
    /// what [`Backfills::Hold`](crate::Backfills::Hold) left; any number of them may run at once.
    ///
    /// It waits for a backfill that is paused, and connects again when it loses the connection. The report has what was applied,
    /// and in [`Report::backfills`] the backfills that were worked on.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, url: &str) -> Result<(), refit::Error> {
    /// let report = migrator.run_backfills(url).await?;
    /// for job in &report.backfills {
    ///     println!("{}: {} rows", job.name, job.rows_changed);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Backfill`] if one of them fails, is canceled, or cannot be completed; and those of
    /// [`apply`](Migrator::apply).
    pub async fn run_backfills(&self, url: &str) -> Result<Report, Error> {
        self.planner.options.hooks.observed(self.work_until(url, &mut BTreeSet::new()).await).await
    }

    /// As [`run_backfills`](Migrator::run_backfills), with the versions whose backfills were incomplete when last read:
    /// migrations that wait for one are applied whichever process completes it.
    pub(crate) async fn work_until(
        &self,
        url: &str,
        awaited: &mut BTreeSet<Version>,
    ) -> Result<Report, Error> {
        let migrator = self.for_url(url)?;
        let mut report = self.planner.nothing_to_do(None, Instant::now());
        let (mut lost, mut applied) = (pauses(), 0);
        let (mut began, mut refusals) = (false, Refusals::new(self.planner.options.lease));
        loop {
            let connection = crate::connect::connect(url, &self.planner.options.connect).await?;
            let (migrator, warned) = migrator.clone().with_notices_of(&connection);
            let outcome =
                Box::pin(migrator.work_on(&connection, url, &mut report, awaited, &mut began)).await;
            report.warnings.extend(warned.take());
            let outcome = rights::explained(
                &connection,
                &State::empty(self.planner.options.state_schema()),
                None,
                outcome,
            )
            .await;
            if !matches!(outcome, Err(Error::ReadOnly { .. })) {
                refusals.over();
            }
            match outcome {
                Err(error)
                    if connection.is_closed()
                        || is_server_failure(&error)
                        // After work has begun, a failover may be in progress.
                        || (began && matches!(error, Error::ReadOnly { .. }) && refusals.may_pass()) =>
                {
                    if report.backfills.len() > applied {
                        (lost, applied) = (pauses(), report.backfills.len());
                    }
                    let pause = lost.next().unwrap_or(POLL);
                    warn!(?pause, "{}; connecting again", error.message());
                    self.pause(pause, None).await?;
                }
                outcome => {
                    connection.close().await;
                    return outcome.map(|()| report);
                }
            }
        }
    }

    /// Runs backfills in the background: failures are logged and retried, since the cause may be fixed meanwhile. A role that lacks
    /// a privilege leaves them to other processes.
    pub(crate) async fn work_in_background(self, url: String, mut awaited: BTreeSet<Version>) {
        let mut reported = String::new();
        loop {
            match self.work_until(&url, &mut awaited).await {
                Ok(report) => {
                    info!(backfills = report.backfills.len(), "backfills are complete");
                    return;
                }
                Err(error) if error.sqlstate() == Some("42501") => {
                    warn!("leaving the backfills to other processes: {}", error.message());
                    return;
                }
                Err(error) => {
                    let error = error.message();
                    if error != reported {
                        warn!("cannot continue a backfill: {error}");
                        reported = error;
                    }
                }
            }
            if self.planner.options.interrupt.cuts_short(POLL_FAILED).await {
                return;
            }
        }
    }

    async fn work_on(
        &self,
        client: &Client,
        url: &str,
        report: &mut Report,
        awaited: &mut BTreeSet<Version>,
        began: &mut bool,
    ) -> Result<(), Error> {
        let mut reported = None;
        // The session is Refit's own. It is pinned except while it applies migrations that waited for a backfill.
        if self.is_done_behind_a_pooler(client).await? {
            return Ok(());
        }
        self.upgrade_state(client).await?;
        let mut caller = Caller::pin(client, &self.planner.options.history_table()).await?;
        let state = self.planner.state_of(client, caller.relation).await?;
        if state.is_unreadable() {
            return Err(rights::unreadable(client, &state).await);
        }
        self.drop_expired_journals(client, &state).await;
        loop {
            let mut jobs = Job::unfinished(client, &state).await?;
            require_writable(client, &jobs).await?;
            // Completed jobs may keep an outdated name; a read-only session could not update it.
            if !jobs.is_empty() {
                follow_if_behind(client, &state).await?;
                jobs = Job::unfinished(client, &state).await?;
            }
            if !jobs.is_empty() && !*began {
                self.record_override(client, &state).await?;
            }
            *began = true;
            awaited.extend(jobs.iter().map(|job| job.version));
            // Another program runs jobs whose function is not registered here; the others need not wait for them.
            let able =
                |job: &Job| !is_function(job) || self.planner.options.functions.get(job.version).is_some();
            let open = |job: &Job| job.state == "registered" || job.state == "running";
            let runnable = |job: &&Job| job.requested == "run" && open(job) && able(job);
            let Some(job) = jobs.iter().find(runnable) else {
                if self.apply_after_others(client, &state, &mut caller, &jobs, awaited, report).await? {
                    continue;
                }
                let Some(job) = jobs.first() else {
                    return super::undo::require_no_unfinished_undo(client, &state).await;
                };
                if job.requested == "pause" && open(job) {
                    if reported != Some(job.id) {
                        info!(backfill = job.name, "paused; waiting until it is resumed");
                        reported = Some(job.id);
                    }
                    self.pause(POLL, Some(job)).await?;
                    continue;
                }
                return Err(job.failure(job.error.clone().unwrap_or_else(|| stopped(job))));
            };
            match self.job(client, url, job).await? {
                Ended::Complete => {
                    report.append(self.apply_waiting(client, &mut caller).await?);
                    report.backfills.extend(JobStatus::of_job(client, job).await?);
                    awaited.remove(&job.version);
                }
                Ended::Stopped => {}
                Ended::Failed(reason) => return Err(job.failure(reason)),
            }
        }
    }

    /// Whether the connection goes through a pooler and there is no work that needs a session.
    async fn is_done_behind_a_pooler(&self, client: &Client) -> Result<bool, Error> {
        if self.planner.options.session_pooler {
            return Ok(false);
        }
        let refused = match crate::pooler::refuse_pooler(client).await {
            Ok(()) => return Ok(false),
            Err(refused) => refused,
        };
        let state = self.state(client).await?;
        let unfinished = pinned(client, async || Job::unfinished(client, &state).await).await?;
        if unfinished.is_empty() && !state.is_unreadable() { Ok(true) } else { Err(refused) }
    }

    /// Applies the migrations that waited for backfills which another process completed, or this one before it lost its connection;
    /// whether there were any. Nothing is applied again for a backfill that was rolled back.
    async fn apply_after_others(
        &self,
        client: &Client,
        state: &State,
        caller: &mut Caller,
        open: &[Job],
        awaited: &mut BTreeSet<Version>,
        report: &mut Report,
    ) -> Result<bool, Error> {
        let mut complete = Vec::new();
        for version in awaited.iter().filter(|version| open.iter().all(|job| job.version != **version)) {
            match Job::of(client, state, *version).await? {
                Some(job) if !job.is_undo() => complete.push(job),
                _ => return Ok(false),
            }
        }
        if complete.is_empty() {
            return Ok(false);
        }
        report.append(self.apply_waiting(client, caller).await?);
        for job in complete {
            report.backfills.extend(JobStatus::of_job(client, &job).await?);
            awaited.remove(&job.version);
        }
        Ok(true)
    }

    /// Applies the migrations that waited, on an unpinned session as any caller's.
    async fn apply_waiting(&self, client: &Client, caller: &mut Caller) -> Result<Report, Error> {
        caller.unpin(client).await;
        let report = self.applied_or_canceled(client).await;
        *caller = Caller::pin(client, &self.planner.options.history_table()).await?;
        report
    }

    /// Runs one job until it ends or is stopped.
    pub(super) async fn job(&self, client: &Client, url: &str, job: &Job) -> Result<Ended, Error> {
        let ended = Box::pin(self.run_job(client, url, job)).await;
        rights::explained(client, &job.state_schema, Some(job), ended).await
    }

    async fn run_job(&self, client: &Client, url: &str, job: &Job) -> Result<Ended, Error> {
        if job.state == "registered" {
            match self.interruptible(client, job, begin(client, job)).await? {
                Began::Running => {}
                Began::Elsewhere => self.pause(POLL, Some(job)).await?,
                Began::Refused(reason) => return Ok(Ended::Failed(reason)),
            }
        }
        loop {
            follow_if_behind(client, &job.state_schema).await?;
            let now = job.again(client).await?;
            match (now.state.as_str(), now.requested.as_str()) {
                ("complete", _) => return Ok(Ended::Complete),
                ("running", "run") => {}
                ("failed" | "incomplete", _) => return Ok(Ended::Failed(now.error.unwrap_or_default())),
                _ => return Ok(Ended::Stopped),
            }
            tokio::select! {
                walked = Box::pin(self.walk(client, url, &now)) => walked?,
                // The server rolls back open batches when their connections end.
                () = self.planner.options.interrupt.triggered() => return Err(interrupted(Some(job))),
            }
            let checks = self.checks_of(&now)?;
            let mut results = Vec::new();
            let finished = finish(client, &now, &checks, &mut results);
            let finished = self.interruptible(client, job, finished).await?;
            for result in &results {
                self.planner.options.hooks.event(&Event::Checked { result });
            }
            match finished {
                Finished::Ended | Finished::Again => {}
                Finished::Elsewhere => self.pause(POLL, Some(job)).await?,
            }
            if let Some(status) = JobStatus::of_job(client, job).await? {
                self.planner.options.hooks.event(&Event::Backfill { status: &status });
            }
        }
    }

    /// The checks that run before a job is complete.
    fn checks_of(&self, job: &Job) -> Result<Vec<&Check>, Error> {
        let migration = self.set()?.migration(job.version);
        Ok(match migration {
            Some(migration) if self.planner.options.runs_checks() && !job.is_undo() => {
                migration.checks_when(When::After).collect()
            }
            _ => Vec::new(),
        })
    }

    /// Sleeps, unless it is interrupted.
    pub(super) async fn pause(&self, pause: Duration, job: Option<&Job>) -> Result<(), Error> {
        match self.planner.options.interrupt.cuts_short(pause).await {
            true => Err(interrupted(job)),
            false => Ok(()),
        }
    }

    /// Runs something long on the session; an interrupt cancels it.
    async fn interruptible<T>(
        &self,
        client: &Client,
        job: &Job,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let interrupt = &self.planner.options.interrupt;
        let canceler = Canceler::new(client, self.planner.options.target.as_ref());
        match canceler.or_cancel(interrupt, work).await {
            Err(_) if interrupt.is_triggered() => Err(interrupted(Some(job))),
            outcome => outcome,
        }
    }

    /// Runs workers over the existing ranges.
    async fn walk(&self, client: &Client, url: &str, job: &Job) -> Result<(), Error> {
        let shape = match is_function(job) {
            true => None,
            false => {
                let shape = Shape::read(client, job).await?;
                Some(shape.map_err(|reason| job.failure(reason))?)
            }
        };
        // Without this check, a role that may not run the directive's own query would treat its failure as full load.
        if let Err(error) = try_own(client, job).await
            && rights::is_missing(&error)
        {
            return Err(error);
        }
        let gauge = Gauge::default();
        let (sender, receiver) = watch::channel(Allowance::none(job.directive.workers));
        let walk = Walk {
            job,
            shape: shape.as_ref(),
            functions: &self.planner.options.functions,
            rows_per_page: rows_per_page(client, job).await?,
            lease: self.planner.options.lease,
        };
        let (connect, gauge) = (&self.planner.options.connect, &gauge);
        // A worker whose role lacks a privilege ends the others of its process too; any other error leaves the work to them.
        let work = async |number| {
            let worker = Worker { number, url, connect, client, walk, allowance: receiver.clone(), gauge };
            match Box::pin(worker.work()).await {
                Err(error) if rights::is_missing(&error) => Err(error),
                ended => Ok(ended),
            }
        };
        let (hooks, followers) = (&self.planner.options.hooks, &self.planner.options.followers);
        // A rollback was admitted as a whole, and holds the lock.
        let calendar = self.planner.options.calendar().filter(|_| !job.is_undo());
        let supervisor =
            Supervisor { url, connect, job, hooks, followers, allowance: sender, gauge, calendar };
        let workers = std::pin::pin!(try_join_all((0..job.directive.workers).map(work)));
        let watching = std::pin::pin!(supervisor.watch(client));
        match select(workers, watching).await {
            Either::Left((ended, _)) => ended?.into_iter().collect(),
            Either::Right((never, _)) => match never {},
        }
    }
}

/// Rows on a page of the table, for walks over the heap.
async fn rows_per_page(client: &Client, job: &Job) -> Result<u64, Error> {
    if !job.directive.walks_heap() {
        return Ok(1);
    }
    let table = facts::leaves(client, &job.directive).await?.map_err(|reason| job.failure(reason))?;
    Ok(table.rows_per_page())
}

fn interrupted(job: Option<&Job>) -> Error {
    let remains = "its progress is recorded; run again to continue".to_owned();
    Error::Interrupted { at: job.map(|job| job.name.clone()), remains }
}

fn stopped(job: &Job) -> String {
    match job.state.as_str() {
        "canceled" => format!("it was canceled; `backfill resume {}` resumes it", job.version),
        _ if is_function(job) => {
            "it is a Rust function, and this program registers none for its version; the service runs it"
                .to_owned()
        }
        state => format!("it is {state}"),
    }
}
