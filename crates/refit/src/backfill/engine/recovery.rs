//! Recovery: what a worker does after a failed batch.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};
use tracing::{debug, warn};

use super::batch::{Batches, Done};
use super::facts::{self, is_walkable};
use super::failed::Failed;
use super::failure_class::FailureClass;
use super::job::Job;
use super::key::Key;
use super::lease::{Lease, Place, reading, writing};
use super::not_done::NotDone;
use super::rights::explain;
use super::size::BatchSize;
use super::worker::{SLICE, Worker};
use crate::error::Error;
use crate::queries::Queries;
use crate::state::exists;

/// What a worker remembers about its batches, across ranges.
pub(crate) struct WorkerState {
    pub(crate) size: BatchSize,
    pub(crate) pauses: Option<Pauses>,
    /// Batches of a single row that timed out in a row.
    pub(crate) row_timeouts: u32,
    /// Whether a batch has committed on the current connection.
    pub(crate) progressed: bool,
    /// Connections lost during a batch, without progress in between.
    pub(crate) losses: u32,
    /// The error of the last one, until it is recorded.
    pub(crate) lost_with: Option<Failed>,
}

/// After this many losses at one position batches become smaller, and then the job fails.
const LOSSES_TO_HALVE: u32 = 3;
const LOSSES_TO_END: u32 = 10;

pub(crate) type Pauses = <ExponentialBuilder as BackoffBuilder>::Backoff;

/// Increasing pauses between attempts.
pub(crate) fn pauses() -> Pauses {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(10))
        .with_jitter()
        .without_max_times()
        .build()
}

/// The outcome of an attempt at a batch.
pub(crate) enum Outcome {
    Batch(Result<Done, NotDone>),
    /// Retry at the same position.
    Again,
    Disconnected(Failed),
    /// The job is over.
    Stop,
}

/// Whether a range can be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeState {
    Ready,
    /// The index was dropped, and the job has failed.
    IndexMissing,
    /// The table was dropped, and its ranges are marked as done.
    TableDropped,
    /// The table was renamed.
    Renamed,
}

impl Worker<'_> {
    /// Without the index that orders the key, each batch would read the whole table, so the job fails instead. A dropped partition
    /// has no rows left to change.
    pub(crate) async fn range_state(&self, client: &Client, lease: &Lease) -> Result<RangeState, Error> {
        if !reading(client, lease.is_current(client, self.walk.job)).await? {
            return Ok(RangeState::Renamed);
        }
        if !reading(client, exists(client, &lease.relation)).await?
            && close_ranges(client, self.walk.job, lease).await?
        {
            warn!(
                backfill = self.walk.job.name,
                "the partition {} was dropped while the backfill ran", lease.relation
            );
            let Some(unassigned) = reading(client, unassigned(client, self.walk.job)).await? else {
                return Ok(RangeState::TableDropped);
            };
            let reason = format!(
                "the partition {} no longer exists, and {unassigned}, which has no ranges, has rows: if it was renamed, some of \
                 its rows are not done; `backfill resume` continues without them",
                lease.relation
            );
            self.fail(client, &reason).await?;
            return Ok(RangeState::IndexMissing);
        }
        let key = &self.walk.job.directive.key;
        if self.walk.job.directive.walks_heap()
            || reading(client, is_walkable(client, &lease.relation, key)).await?
        {
            return Ok(RangeState::Ready);
        }
        let reason = format!(
            "no valid index of {} begins with ({}) any more: rebuild it, then run `backfill resume`",
            lease.relation,
            key.join(", ")
        );
        self.fail(client, &reason).await?;
        lease.release(client, self.walk.job).await;
        Ok(RangeState::IndexMissing)
    }

    /// Records that the connection was lost during a batch of the range; false if that fails the job.
    pub(crate) async fn record_loss(
        &self,
        client: &Client,
        lease: &Lease,
        state: &mut WorkerState,
    ) -> Result<bool, Error> {
        let Some(failed) = state.lost_with.take() else { return Ok(true) };
        note(client, self.walk.job, lease, &failed).await;
        if state.losses >= LOSSES_TO_END {
            let reason = format!(
                "the connection was lost {} times with the same batch of {}: {failed}",
                state.losses, lease.relation
            );
            self.fail(client, &reason).await?;
            lease.release(client, self.walk.job).await;
            return Ok(false);
        }
        if state.losses >= LOSSES_TO_HALVE {
            state.size.halve();
        }
        Ok(true)
    }

    /// Handles a failure by its class. Without `end`, no row is known to be the cause.
    pub(crate) async fn fix(
        &self,
        batches: &mut Batches<'_>,
        lease: &mut Lease,
        state: &mut WorkerState,
        (place, end, rows): (&Place, Option<&Key>, u32),
        failed: Failed,
    ) -> Result<Outcome, Error> {
        let failed = failed.without(&self.walk.job.secrets());
        let class = FailureClass::of(&failed);
        debug!(range = lease.range, rows, ?class, %failed, "a batch failed");
        match (class, end) {
            (FailureClass::Disconnected, _) => return Ok(Outcome::Disconnected(failed)),
            (FailureClass::Fatal | FailureClass::TooLarge, _)
                if self.range_state(batches.client, lease).await? != RangeState::Ready =>
            {
                return Ok(Outcome::Stop);
            }
            (FailureClass::Forbidden, _) => {
                lease.release(batches.client, self.walk.job).await;
                return Err(explain(batches.client, self.walk.job, &failed).await);
            }
            (FailureClass::Fatal, _) => return self.fail(batches.client, &failed.to_string()).await,
            (FailureClass::BadRow, None) => {
                let reason = format!("cannot determine where a batch ends: {failed}");
                return self.fail(batches.client, &reason).await;
            }
            (FailureClass::BadRow, Some(end)) if rows <= 1 => {
                return self.set_aside(batches, lease, place, end, &failed).await;
            }
            (FailureClass::BadRow, _) => {
                state.size.look_for_row(rows);
                return Ok(Outcome::Again);
            }
            (FailureClass::TooLarge, _) if rows > 1 => state.size.halve(),
            (FailureClass::TooLarge, None) => {}
            (FailureClass::TooLarge, Some(end)) => {
                state.row_timeouts += 1;
                // If the row itself takes too long, it does so every time; a locked row is waited for.
                if failed.sqlstate.as_deref() == Some("57014") && state.row_timeouts >= 3 {
                    state.row_timeouts = 0;
                    return self.set_aside(batches, lease, place, end, &failed).await;
                }
            }
            (FailureClass::Collision | FailureClass::Exhausted, _) => {}
        }
        note(batches.client, self.walk.job, lease, &failed).await;
        let pause = state.pauses.get_or_insert_with(pauses).next().unwrap_or(SLICE);
        let pause = if class == FailureClass::Exhausted { pause.max(Duration::from_secs(1)) } else { pause };
        // If the job has ended, the next attempt notices.
        self.pause(batches.client, pause).await?;
        Ok(Outcome::Again)
    }

    /// Ends the job as failed.
    async fn fail(&self, client: &Client, reason: &str) -> Result<Outcome, Error> {
        writing(client, self.walk.job.end(client, "failed", Some(reason))).await?;
        Ok(Outcome::Stop)
    }

    /// Sets a row aside, or fails the job if there are too many.
    async fn set_aside(
        &self,
        batches: &mut Batches<'_>,
        lease: &mut Lease,
        place: &Place,
        end: &Key,
        failed: &Failed,
    ) -> Result<Outcome, Error> {
        warn!(backfill = self.walk.job.name, key = ?end, "set a row aside: {failed}");
        let outcome = batches.set_aside(lease, place, end, failed).await;
        if outcome.is_ok()
            && let Some(reason) =
                reading(batches.client, too_many_errors(batches.client, self.walk.job)).await?
        {
            return self.fail(batches.client, &format!("{reason}; the last one: {failed}")).await;
        }
        let Err(NotDone::Failed(why)) = outcome else { return Ok(Outcome::Batch(outcome)) };
        let why = why.without(&self.walk.job.secrets());
        match FailureClass::of(&why) {
            FailureClass::Disconnected => Ok(Outcome::Disconnected(why)),
            FailureClass::Forbidden => {
                lease.release(batches.client, self.walk.job).await;
                Err(explain(batches.client, self.walk.job, &why).await)
            }
            FailureClass::BadRow | FailureClass::Fatal => {
                let reason = format!("a row failed and could not be set aside ({why}): {failed}");
                self.fail(batches.client, &reason).await
            }
            FailureClass::Collision | FailureClass::TooLarge | FailureClass::Exhausted => {
                note(batches.client, self.walk.job, lease, &why).await;
                self.pause(batches.client, SLICE).await?;
                Ok(Outcome::Again)
            }
        }
    }
}

/// Marks the ranges of a dropped partition as done; false if the table was not a partition.
async fn close_ranges(client: &Client, job: &Job, lease: &Lease) -> Result<bool, Error> {
    let sql = "WITH gone AS (UPDATE refit.backfill_range SET done = true, leased_until = NULL, retry_reason = $4 \
                   WHERE backfill_id = $1 AND relation = $2 AND NOT done AND EXISTS ( \
                       SELECT FROM pg_partitioned_table WHERE partrelid = pg_catalog.to_regclass($3)) RETURNING backfill_id) \
               UPDATE refit.backfill SET reason = pg_catalog.concat_ws('; ', reason, $4) WHERE id IN (SELECT backfill_id FROM gone)";
    let reason = format!("the partition {} was dropped while the backfill ran", lease.relation);
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&job.id, Type::INT8),
        (&lease.relation, Type::TEXT),
        (&job.directive.table, Type::TEXT),
        (&reason, Type::TEXT),
    ];
    let failed = || Error::database("closing the ranges of a dropped partition");
    let closed =
        writing(client, async { client.execute_boxed(&job.sql(sql), &parameters).await.map_err(failed()) });
    Ok(closed.await? > 0)
}

/// A partition that has rows and no range, and that no closing sweep reaches.
async fn unassigned(client: &Client, job: &Job) -> Result<Option<String>, Error> {
    if job.remaining.is_some() {
        return Ok(None);
    }
    let failed = || Error::database("looking for new partitions");
    let sql = "SELECT DISTINCT relation FROM refit.backfill_range WHERE backfill_id = $1";
    let rows = client.query_boxed(&job.sql(sql), &[(&job.id, Type::INT8)]).await.map_err(failed())?;
    let walked: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let table = facts::leaves(client, &job.directive).await?.map_err(|reason| job.failure(reason))?;
    for leaf in table.leaves.into_iter().filter(|leaf| !walked.contains(&leaf.name)) {
        let sql = format!("SELECT EXISTS (SELECT FROM ONLY {})", leaf.name);
        if client.query_one_boxed(&sql, &[]).await.map_err(failed())?.get(0) {
            return Ok(Some(leaf.name));
        }
    }
    Ok(None)
}

/// Records why a batch is retried, for status.
async fn note(client: &Client, job: &Job, lease: &Lease, failed: &Failed) {
    let sql = "UPDATE refit.backfill_range SET retries = retries + 1, retry_reason = $3 WHERE id = $1 AND token = $2";
    let text = failed.to_string();
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&lease.range, Type::INT8), (&lease.token, Type::INT8), (&text, Type::TEXT)];
    let noted = writing(client, async {
        client.execute_boxed(&job.sql(sql), &parameters).await.map_err(Error::database("recording a retry"))
    });
    if let Err(error) = noted.await {
        debug!("cannot record why a batch is retried: {}", error.message());
    }
}

/// Whether more rows were set aside than the directive allows.
async fn too_many_errors(client: &Client, job: &Job) -> Result<Option<String>, Error> {
    let sql = "SELECT (SELECT pg_catalog.count(*) FROM refit.backfill_error WHERE backfill_id = $1 AND resolved_at IS NULL), \
                      (SELECT coalesce(pg_catalog.sum(rows_walked), 0)::int8 FROM refit.backfill_range WHERE backfill_id = $1)";
    let row = client.query_one_boxed(&job.sql(sql), &[(&job.id, Type::INT8)]).await;
    let row = row.map_err(Error::database("counting the rows that failed"))?;
    let (errors, walked): (i64, i64) = (row.get(0), row.get(1));
    let directive = &job.directive;
    if errors > i64::from(directive.errors) {
        return Ok(Some(format!("{errors} rows failed, more than `errors = {}` allows", directive.errors)));
    }
    // Among few rows, one failure is a large share.
    let share = i64::from(directive.error_percent);
    let early = walked < 10_000;
    let over = errors * 100 > share * walked;
    Ok((over && !early)
        .then(|| format!("{errors} of {walked} rows failed, more than `error_percent = {share}` allows")))
}
