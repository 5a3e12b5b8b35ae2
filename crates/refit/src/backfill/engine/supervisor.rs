//! The supervisor of a job: samples the server once a second, limits the workers, and records and reports progress.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use refit_model::Environment;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tracing::{info, warn};

use super::batch::Done;
use super::job::Job;
use super::throttle::controller::{Allowance, Controller, Signal};
use super::throttle::departed::Followers;
use super::throttle::signals::{Sampler, stale};
use crate::connect::{ConnectOptions, Connection};
use crate::error::Error;
use crate::event::Event;
use crate::hook::Hooks;
use crate::queries::Queries;
use crate::report::JobStatus;

const TICK: Duration = Duration::from_secs(1);
/// A sample that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What workers report to the supervisor about their batches.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    tally: Mutex<Tally>,
    /// Wakes workers that wait for a range: one may be free, or the job may have ended.
    left: Notify,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    slowest_commit: f64,
    rows: u32,
    /// Workers that are connecting to lease a range that was free.
    starting: u32,
}

/// Counts a worker as connecting until it is dropped.
#[derive(Debug)]
pub(crate) struct Starting<'a>(&'a Gauge);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if let Ok(mut tally) = self.0.tally.lock() {
            tally.starting = tally.starting.saturating_sub(1);
        }
    }
}

impl Gauge {
    pub(crate) fn batch(&self, done: &Done, rows: u32) {
        if let Ok(mut tally) = self.tally.lock() {
            tally.slowest_commit = tally.slowest_commit.max(done.commit.as_secs_f64());
            tally.rows = rows;
        }
    }

    /// Lets a worker connect if fewer workers of this process are connecting than `free` ranges can be leased.
    pub(crate) fn start(&self, free: u32) -> Option<Starting<'_>> {
        let mut tally = self.tally.lock().ok()?;
        if tally.starting >= free {
            return None;
        }
        tally.starting += 1;
        Some(Starting(self))
    }

    /// A worker of this process has left a range.
    pub(crate) fn left(&self) {
        self.left.notify_waiters();
    }

    /// Completes when a worker of this process leaves a range from now on.
    pub(crate) fn next_left(&self) -> Notified<'_> {
        self.left.notified()
    }

    fn take(&self) -> Tally {
        let take = |tally: &mut Tally| {
            let starting = tally.starting;
            std::mem::replace(tally, Tally { starting, ..Tally::default() })
        };
        self.tally.lock().map(|mut tally| take(&mut tally)).unwrap_or_default()
    }
}

/// The supervisor of one job in one process.
pub(crate) struct Supervisor<'a> {
    pub(crate) url: &'a str,
    pub(crate) connect: &'a ConnectOptions,
    pub(crate) job: &'a Job,
    pub(crate) hooks: &'a Hooks,
    pub(crate) followers: &'a Followers,
    pub(crate) allowance: watch::Sender<Allowance>,
    pub(crate) gauge: &'a Gauge,
    /// The profile whose windows and freeze periods pause the work.
    pub(crate) calendar: Option<&'a Environment>,
}

impl Supervisor<'_> {
    /// Runs until it is dropped.
    pub(crate) async fn watch(self, client: &Client) -> std::convert::Infallible {
        let mut controller = Controller::new(self.job.directive.workers);
        let mut sampler = Sampler::new(self.followers.clone(), self.url, self.calendar);
        let mut rate = Rate::default();
        let mut last_sample = Instant::now();
        let mut other: Option<Connection> = None;
        loop {
            let commit = self.gauge.take().slowest_commit;
            let session = other.as_deref().unwrap_or(client);
            let sampling = tokio::time::timeout(PATIENCE, sampler.sample(session, self.job, commit));
            let signals = match sampling.await {
                Ok(Ok(signals)) => {
                    last_sample = Instant::now();
                    signals
                }
                Ok(Err(error)) => {
                    warn!(backfill = self.job.name, "cannot sample the server: {}", error.message());
                    if session.is_closed() {
                        other = connected(self.url, self.connect).await.ok();
                    }
                    vec![stale(last_sample.elapsed().as_secs())]
                }
                Err(_) => vec![stale(last_sample.elapsed().as_secs())],
            };
            self.limit(&mut controller, &signals);
            let session = other.as_deref().unwrap_or(client);
            match tokio::time::timeout(PATIENCE, self.record(session, &mut rate)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    warn!(backfill = self.job.name, "cannot record progress: {}", error.message())
                }
                Err(_) => {
                    warn!(
                        backfill = self.job.name,
                        "cannot record progress: the row is locked by another session"
                    )
                }
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn limit(&self, controller: &mut Controller, signals: &[Signal]) {
        let allowance = controller.sample(signals);
        let before = self.allowance.borrow().clone();
        if allowance.reason != before.reason
            && (allowance.stopped != before.stopped || before.reason.is_none())
        {
            let reason = allowance.reason.as_deref().unwrap_or("no longer throttled");
            info!(
                backfill = self.job.name,
                workers = allowance.workers,
                stopped = allowance.stopped,
                "{reason}"
            );
        }
        // If this fails, the workers are gone and need no limits.
        self.allowance.send(allowance).ok();
    }

    async fn record(&self, client: &Client, rate: &mut Rate) -> Result<(), Error> {
        let Some(status) = JobStatus::of_job(client, self.job).await? else { return Ok(()) };
        let per_second = rate.of(status.rows_changed);
        let throttle = self.allowance.borrow().reason.clone();
        let sql = "UPDATE refit.backfill SET rows_per_second = $2, throttle = $3 WHERE id = $1 AND state = 'running'";
        client
            .execute_boxed(
                &self.job.sql(sql),
                &[(&self.job.id, Type::INT8), (&per_second, Type::FLOAT8), (&throttle, Type::TEXT)],
            )
            .await
            .map_err(Error::database("recording the progress of a backfill"))?;
        self.hooks.event(&Event::Backfill { status: &status });
        Ok(())
    }
}

/// A connection of Refit's own, pinned.
async fn connected(url: &str, options: &ConnectOptions) -> Result<Connection, Error> {
    let connection = crate::connect::connect(url, options).await?;
    let pinned = connection.batch_execute_boxed(&crate::pin::pin_sql()).await;
    pinned.map_err(Error::database("preparing a session"))?;
    Ok(connection)
}

/// Rows a second, smoothed.
#[derive(Default)]
struct Rate {
    before: Option<(i64, Instant)>,
    smoothed: Option<f64>,
}

impl Rate {
    fn of(&mut self, rows: i64) -> Option<f64> {
        let now = Instant::now();
        if let Some((before, at)) = self.before {
            let rows = u64::try_from(rows - before).unwrap_or(0);
            let rate = super::facts::to_float(rows) / (now - at).as_secs_f64().max(0.01);
            self.smoothed = Some(self.smoothed.map_or(rate, |smoothed| smoothed * 0.7 + rate * 0.3));
        }
        self.before = Some((rows, now));
        self.smoothed
    }
}
