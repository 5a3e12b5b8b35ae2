//! A worker: leases ranges and runs their batches until no work is left for it.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};
use tracing::{debug, info, warn};

use super::batch::{Batches, Walk};
use super::failed::Failed;
use super::failure_class::FailureClass;
use super::idle::{LINGER, NextWork};
use super::job::Job;
use super::key::Key;
use super::lease::{Lease, reading, writing};
use super::names::IS_CURRENT;
use super::not_done::NotDone;
use super::readonly::Refusals;
use super::recovery::{Outcome, Pauses, RangeState, WorkerState, pauses};
use super::size::BatchSize;
use super::strategy::Horizon;
use super::supervisor::{Gauge, Starting};
use super::throttle::controller::Allowance;
use crate::connect::{ConnectOptions, Connection};
use crate::error::Error;
use crate::queries::Queries;

/// A worker, its job and its limits.
pub(crate) struct Worker<'a> {
    /// From 0: workers with the highest numbers stop first.
    pub(crate) number: u32,
    pub(crate) url: &'a str,
    pub(crate) connect: &'a ConnectOptions,
    /// The process's own connection, to look for work.
    pub(crate) client: &'a Client,
    pub(crate) walk: Walk<'a>,
    pub(crate) allowance: watch::Receiver<Allowance>,
    pub(crate) gauge: &'a Gauge,
}

/// Why a range was left.
enum Left {
    /// It is done, or another worker has it.
    Behind,
    /// The worker must wait: the range is released.
    Waiting,
    /// The connection was lost.
    Disconnected(Failed),
}

/// How a session ended.
enum End {
    /// No work is left for the worker.
    Over,
    /// There is no work at the moment.
    Idle,
    Lost(Failed),
}

const IDLE: Duration = Duration::from_millis(200);
pub(crate) const SLICE: Duration = Duration::from_millis(500);

impl Worker<'_> {
    /// Runs until the job has ended or is stopped.
    pub(crate) async fn work(mut self) -> Result<(), Error> {
        let directive = &self.walk.job.directive;
        let mut state = WorkerState {
            size: BatchSize::new(directive.batch, directive.target()),
            pauses: None,
            row_timeouts: 0,
            progressed: false,
            losses: 0,
            lost_with: None,
        };
        let mut lost = pauses();
        let mut refusals = Refusals::new(self.walk.lease);
        let mut lease = None;
        loop {
            let starting = match &lease {
                Some(_) => None,
                None => match self.wait_for_work().await? {
                    NextWork::Range(starting) => starting,
                    NextWork::Over => return Ok(()),
                },
            };
            let connection = match self.connect().await {
                Ok(connection) => connection,
                Err(error @ Error::Connect { .. }) => return Err(error),
                Err(error) => {
                    self.rest(&mut lost, &error.message()).await;
                    continue;
                }
            };
            let ended = self.session(&connection, &mut lease, &mut state, starting).await;
            if std::mem::take(&mut state.progressed) {
                (lost, state.losses) = (pauses(), 0);
                refusals.over();
            }
            let sqlstate = match &ended {
                Ok(End::Lost(failed)) => failed.sqlstate.as_deref(),
                Ok(_) => None,
                Err(error) => error.sqlstate(),
            };
            if let Some(error) = refusals.given_up(sqlstate, self.walk.job) {
                return Err(error);
            }
            match ended {
                Ok(End::Over) => {
                    connection.close().await;
                    return Ok(());
                }
                Ok(End::Idle) => connection.close().await,
                Ok(End::Lost(failed)) => {
                    let reason = failed.to_string();
                    state.losses += 1;
                    state.lost_with = Some(failed);
                    self.rest(&mut lost, &reason).await;
                }
                // 0A000: the server is now a standby, which rejects transactions that write.
                Err(error)
                    if connection.is_closed()
                        || is_server_failure(&error)
                        || error.sqlstate() == Some("0A000") =>
                {
                    self.rest(&mut lost, &error.message()).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn rest(&self, pauses: &mut Pauses, reason: &str) {
        let pause = pauses.next().unwrap_or(SLICE);
        warn!(backfill = self.walk.job.name, worker = self.number, ?pause, "{reason}; connecting again");
        tokio::time::sleep(pause).await;
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let connection = crate::connect::connect(self.url, self.connect).await?;
        // The server ends a session that is idle in a transaction for as long as a lease lasts.
        let settings = format!(
            "SET application_name = '{}'; {}{} SET search_path = {}; SET plan_cache_mode = 'force_custom_plan'; \
             SET idle_in_transaction_session_timeout = {}; SET client_min_messages = warning; \
             SET default_transaction_read_only = on",
            crate::application_name::worker(self.walk.job.version, self.walk.job.id),
            pinned("SET"),
            crate::pin::pin_sql(),
            self.walk.job.search_path,
            self.walk.lease.as_millis()
        );
        connection
            .batch_execute_boxed(&settings)
            .await
            .map_err(Error::database("preparing a worker's session"))?;
        Ok(connection)
    }

    /// Runs batches on one connection, as long as there is work for it.
    async fn session(
        &mut self,
        client: &Client,
        held: &mut Option<Lease>,
        state: &mut WorkerState,
        mut starting: Option<Starting<'_>>,
    ) -> Result<End, Error> {
        let mut busy: Option<Instant> = held.as_ref().map(|_| Instant::now());
        let mut batches = Batches::new(client, self.walk);
        // Continues the range of the lost session, unless another worker has taken it over.
        if let Some(before) = held.take() {
            if !self.record_loss(client, &before, state).await? {
                return Ok(End::Over);
            }
            *held = before.again(client, self.walk.job).await?;
        }
        loop {
            if held.is_none() {
                if !self.may_work() {
                    match self.wait(client).await? {
                        Some(end) => return Ok(end),
                        None => continue,
                    }
                }
                let workers = self.walk.job.directive.workers;
                *held = Lease::claim(client, self.walk.job, workers, self.walk.lease).await?;
                drop(starting.take());
                let forced = self.walk.job.directive.strategy.is_some();
                if let Some(lease) = held.as_mut().filter(|lease| lease.is_striped() && !forced) {
                    unstripe_if_snapshot_held(client, self.walk.job, lease).await?;
                }
            }
            if let Some(lease) = &held {
                match self.range_state(client, lease).await? {
                    RangeState::Ready => {}
                    RangeState::IndexMissing => return Ok(End::Over),
                    RangeState::Renamed => {
                        lease.release(client, self.walk.job).await;
                        return Ok(End::Over);
                    }
                    RangeState::TableDropped => *held = None,
                }
            }
            let Some(lease) = held.as_mut() else {
                if !still_runs(client, self.walk.job).await? {
                    return Ok(End::Over);
                }
                if busy.is_none_or(|busy| busy.elapsed() > LINGER) {
                    return Ok(End::Idle);
                }
                tokio::time::sleep(IDLE).await;
                continue;
            };
            debug!(range = lease.range, token = lease.token, "working on a range");
            let left = self.range(&mut batches, lease, state).await?;
            busy = Some(Instant::now());
            self.gauge.left();
            match left {
                Left::Behind => *held = None,
                Left::Waiting => {
                    if let Some(lease) = held.take() {
                        lease.release(client, self.walk.job).await;
                    }
                    if !still_runs(client, self.walk.job).await? {
                        return Ok(End::Over);
                    }
                }
                Left::Disconnected(failed) => return Ok(End::Lost(failed)),
            }
        }
    }

    /// Sleeps. Returns early with false if the job has ended or was stopped.
    pub(crate) async fn pause(&self, client: &Client, pause: Duration) -> Result<bool, Error> {
        let end = Instant::now() + pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(true);
            }
            if left > SLICE && !still_runs(client, self.walk.job).await? {
                return Ok(false);
            }
            tokio::time::sleep(left.min(SLICE)).await;
        }
    }

    pub(super) fn may_work(&self) -> bool {
        let allowance = self.allowance.borrow();
        !allowance.stopped && self.number < allowance.workers
    }

    /// Waits until the throttle allows the worker to run, but not for long, and not if the job has ended or was stopped.
    async fn wait(&mut self, client: &Client) -> Result<Option<End>, Error> {
        let began = Instant::now();
        while !self.may_work() {
            if !still_runs(client, self.walk.job).await? {
                return Ok(Some(End::Over));
            }
            if began.elapsed() > LINGER {
                return Ok(Some(End::Idle));
            }
            // An error means that the supervisor has ended, and the workers with it.
            tokio::time::timeout(SLICE, self.allowance.changed()).await.ok();
        }
        Ok(None)
    }

    /// Runs the batches of a range.
    async fn range(
        &mut self,
        batches: &mut Batches<'_>,
        lease: &mut Lease,
        state: &mut WorkerState,
    ) -> Result<Left, Error> {
        let mut next: Option<Option<Key>> = None;
        while let Some(place) = lease.place() {
            if !self.may_work() {
                return Ok(Left::Waiting);
            }
            let in_stripe = lease.rows_in_stripe();
            let whole = lease.is_striped() && !state.size.is_probing() && state.size.rows() >= in_stripe / 2;
            // Only one in `stripes` keys belongs to a stripe; while a row is being located, batches go by key alone.
            let apart = if state.size.is_probing() { 1 } else { u32::try_from(lease.stripes).unwrap_or(1) };
            let most = batches.most(lease);
            let rows = if whole { in_stripe } else { state.size.rows().min(most) };
            let end = match next.take() {
                Some(end) => Ok(end),
                None if whole => Ok(None),
                None => batches.bound(lease, &place, rows.saturating_mul(apart)).await,
            };
            let outcome = match end {
                Ok(end) => {
                    let end = end.unwrap_or_else(|| place.last.clone());
                    let ahead = (!lease.is_striped() && !state.size.is_probing())
                        .then(|| state.size.rows().min(most));
                    let outcome = batches.run(lease, &place, &end, rows, ahead).await;
                    match outcome {
                        Err(NotDone::Failed(failed)) => {
                            self.fix(
                                batches,
                                lease,
                                state,
                                (&place, Some(&end), rows.saturating_mul(apart)),
                                failed,
                            )
                            .await?
                        }
                        outcome => Outcome::Batch(outcome),
                    }
                }
                Err(failed) => self.fix(batches, lease, state, (&place, None, rows), failed).await?,
            };
            let done = match outcome {
                Outcome::Batch(Ok(done)) => done,
                Outcome::Batch(Err(NotDone::Lost)) => {
                    info!(range = lease.range, "another worker has taken the range over");
                    return Ok(Left::Behind);
                }
                Outcome::Batch(Err(NotDone::Stopped)) => return Ok(Left::Waiting),
                Outcome::Batch(Err(NotDone::Failed(failed))) | Outcome::Disconnected(failed) => {
                    return Ok(Left::Disconnected(failed));
                }
                Outcome::Again => continue,
                Outcome::Stop => return Ok(Left::Behind),
            };
            state.pauses = None;
            state.row_timeouts = 0;
            state.progressed = true;
            if done.took > Duration::ZERO {
                state.size.succeeded(rows, done.took);
                self.gauge.batch(&done, rows);
            }
            if done.finished {
                return Ok(Left::Behind);
            }
            next = done.next;
            let pause = self.allowance.borrow().pause(done.took + done.commit);
            if !self.pause(batches.client, pause).await? {
                return Ok(Left::Waiting);
            }
        }
        Ok(Left::Behind)
    }
}

/// Settings that must not come from a role or a database. Keys are sent as text and must be read as they were written; batches have
/// their own time limit, and queries that locate rows have none.
pub(crate) fn pinned(set: &str) -> String {
    let settings = [
        "DateStyle = 'ISO'",
        "IntervalStyle = 'postgres'",
        "extra_float_digits = 1",
        "bytea_output = 'hex'",
        "statement_timeout = 0",
    ];
    settings.map(|setting| format!("{set} {setting};")).join(" ")
}

/// Whether the job still runs, unchanged since it was read, with ranges to do.
async fn still_runs(client: &Client, job: &Job) -> Result<bool, Error> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM refit.backfill WHERE id = $1 AND state = 'running' AND requested = 'run' \
                            AND statement = $2 AND coalesce(search_path, 'pg_catalog') = $3) \
            AND (SELECT coalesce(pg_catalog.bool_and({IS_CURRENT}), false) FROM ( \
                     SELECT DISTINCT relation, relation_oid FROM refit.backfill_range WHERE backfill_id = $1 AND NOT done) AS open)"
    );
    let known: [(&(dyn ToSql + Sync), Type); 3] =
        [(&job.id, Type::INT8), (&job.statement, Type::TEXT), (&job.search_path, Type::TEXT)];
    let asked = reading(client, async {
        let row = client.query_one_boxed(&job.sql(&sql), &known).await;
        Ok(row.map_err(Error::database("looking after a backfill"))?.get(0))
    });
    asked.await
}

/// While a snapshot is held, stripes gain nothing and are slower: each batch touches every page for a tenth of its rows.
async fn unstripe_if_snapshot_held(client: &Client, job: &Job, lease: &mut Lease) -> Result<(), Error> {
    let horizon = reading(client, Horizon::read(client)).await?;
    if horizon.is_held() && lease.unstripe() {
        let windows = serde_json::to_string(&lease.windows).unwrap_or_default();
        let reason = format!(
            "{} has held a snapshot for {:.0} s: ranges that begin now are not striped",
            horizon.holder, horizon.age
        );
        let sql = "WITH plain AS (UPDATE refit.backfill_range SET stripes = 1, windows = $3 WHERE id = $1 AND token = $2 \
                                  RETURNING backfill_id) \
                   UPDATE refit.backfill SET reason = $4 FROM plain WHERE id = backfill_id";
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&lease.range, Type::INT8),
            (&lease.token, Type::INT8),
            (&windows, Type::TEXT),
            (&reason, Type::TEXT),
        ];
        let left = writing(client, async {
            client
                .execute_boxed(&job.sql(sql), &parameters)
                .await
                .map_err(Error::database("making a range plain"))
        });
        left.await?;
    }
    Ok(())
}

/// Whether the failure is the server's and may be temporary.
pub(crate) fn is_server_failure(error: &Error) -> bool {
    let failed = match error {
        Error::Database { source, .. } => source.code().map(|code| Failed::new(code.code(), "")),
        _ => None,
    };
    failed.is_some_and(|failed| {
        matches!(
            FailureClass::of(&failed),
            FailureClass::Disconnected
                | FailureClass::Exhausted
                | FailureClass::Collision
                | FailureClass::TooLarge
        )
    })
}
