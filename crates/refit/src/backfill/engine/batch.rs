//! One batch: one transaction, in two round trips. The rows, the cursor, the counters and the proof that the lease is still held
//! commit together or not at all.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, join3, join4, try_join_all};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Statement};

use super::cut::{bound, bound_sql, keys, values};
use super::failed::Failed;
use super::function::{Batch, Functions, keys_sql};
use super::heap;
use super::job::Job;
use super::journal;
use super::key::{Key, KeyColumns};
use super::lease::{Lease, Place};
use super::not_done::{NotDone, ended, renamed_or_ended, unwritable};
use super::path;
use super::shape::Shape;

use crate::queries::Queries;

/// What a batch did.
#[derive(Debug)]
pub(crate) struct Done {
    /// From the begin message to the end of the last statement.
    pub(crate) took: Duration,
    /// How long the commit took.
    pub(crate) commit: Duration,
    /// Whether the range is done.
    pub(crate) finished: bool,
    /// Where the next batch of the same window ends, if requested: none is the window's end.
    pub(crate) next: Option<Option<Key>>,
}

/// What the workers of a process share while they walk the ranges of a job.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(crate) job: &'a Job,
    /// None for a function.
    pub(crate) shape: Option<&'a Shape>,
    pub(crate) functions: &'a Functions,
    /// For walks over the heap.
    pub(crate) rows_per_page: u64,
    /// How long a lease lasts without being renewed, and how long a transaction may be idle.
    pub(crate) lease: Duration,
}

/// Everything that the batches of a session share.
pub(crate) struct Batches<'a> {
    pub(crate) client: &'a Client,
    walk: Walk<'a>,
    key: KeyColumns,
    prepared: HashMap<(String, bool, bool), Prepared>,
}

/// The statements of a relation, for one kind of batch.
#[derive(Clone)]
struct Prepared {
    parts: Vec<Statement>,
    bound: Option<Statement>,
    /// Finds the rows of a sweep whose statements run for one row at a time.
    keys: Option<Statement>,
}

/// Maximum rows in a batch whose statements run for one row at a time.
const ONE_BY_ONE: u32 = 500;

impl<'a> Batches<'a> {
    pub(crate) fn new(client: &'a Client, walk: Walk<'a>) -> Batches<'a> {
        Batches { client, walk, key: KeyColumns::new(&walk.job.directive.key), prepared: HashMap::new() }
    }

    async fn prepared(&mut self, lease: &Lease, closed: bool) -> Result<Prepared, Failed> {
        let sweep = lease.pass > 0;
        let name = (lease.relation.clone(), closed, sweep);
        if let Some(prepared) = self.prepared.get(&name) {
            return Ok(prepared.clone());
        }
        let (mut parts, one_by_one) = (Vec::new(), self.one_by_one(lease));
        for part in self.walk.shape.iter().flat_map(|shape| &shape.parts) {
            let text =
                journal::statement(self.walk.job, part, &lease.relation, closed || one_by_one.is_some());
            parts.push(self.client.prepare_boxed(&text).await?);
        }
        let remaining = self.walk.job.remaining.as_deref().filter(|_| sweep);
        let bound = match self.walk.job.directive.walks_heap() {
            true => None,
            false => Some(
                self.client.prepare_boxed(&bound_sql(&lease.relation, &self.key, remaining, closed)).await?,
            ),
        };
        let keys = match one_by_one {
            Some(remaining) => {
                let text = keys_sql(&lease.relation, &self.key, Some(remaining), closed);
                Some(self.client.prepare_boxed(&text).await?)
            }
            None => None,
        };
        let prepared = Prepared { parts, bound, keys };
        self.prepared.insert(name, prepared.clone());
        Ok(prepared)
    }

    /// The condition of a sweep whose statements do not skip rows that are done: on a key range they would change the rows between
    /// two remaining ones again.
    fn one_by_one(&self, lease: &Lease) -> Option<&'a str> {
        let remaining = self.walk.job.remaining.as_deref().filter(|_| lease.pass > 0)?;
        self.walk.shape?.parts.iter().any(|part| part.guard.is_none()).then_some(remaining)
    }

    /// Maximum rows in a batch of the range.
    pub(crate) fn most(&self, lease: &Lease) -> u32 {
        if self.one_by_one(lease).is_some() { ONE_BY_ONE } else { u32::MAX }
    }

    /// Where a batch of `rows` rows ends: none is the window's end.
    pub(crate) async fn bound(
        &mut self,
        lease: &Lease,
        place: &Place,
        rows: u32,
    ) -> Result<Option<Key>, Failed> {
        match self.prepared(lease, place.closed).await?.bound {
            Some(statement) => Ok(bound(self.client, &statement, place, rows).await?),
            None => Ok(heap::bound(place, rows, self.walk.rows_per_page)),
        }
    }

    /// Runs and commits a batch that ends with `end`. `ahead` is the number of rows in the next one, whose end is then returned
    /// too.
    pub(crate) async fn run(
        &mut self,
        lease: &mut Lease,
        place: &Place,
        end: &Key,
        rows: u32,
        ahead: Option<u32>,
    ) -> Result<Done, NotDone> {
        let prepared = self.prepared(lease, place.closed).await?;
        let outcome = self.attempt(lease, place, end, rows, ahead, &prepared).await;
        self.or_rolled_back(outcome).await
    }

    /// Ends the transaction of a batch that did not commit.
    async fn or_rolled_back(&self, outcome: Result<Done, NotDone>) -> Result<Done, NotDone> {
        if outcome.is_err() {
            self.client.batch_execute_boxed("ROLLBACK").await.ok();
        }
        outcome
    }

    async fn attempt(
        &self,
        lease: &mut Lease,
        place: &Place,
        end: &Key,
        rows: u32,
        ahead: Option<u32>,
        prepared: &Prepared,
    ) -> Result<Done, NotDone> {
        let began = Instant::now();
        let begin = self.begin(rows);
        let fence = self.fence(lease);
        let enter = path::enter(self.walk.job);
        let enter = self.client.batch_execute_boxed(&enter);
        let statements = self.statements(lease, place, end, prepared);
        let begin = self.client.batch_execute_boxed(&begin);
        let (begun, fenced, entered, changed) = join4(begin, fence, enter, statements).await;
        begun.map_err(unwritable)?;
        let transaction = fenced?;
        entered?;
        let mut changed = changed?;
        if self.walk.shape.is_none() {
            changed = self.call(lease, place, end).await.map_err(ended)?;
        }
        let took = began.elapsed();
        let mut after = lease.clone();
        let finished = after.advance(place, end.clone());
        let next_place = after.place().filter(|_| after.cursor.is_some());
        let walked = if lease.is_striped() { changed } else { u64::from(rows) };
        let advance = self.advance(&after, rows, [changed, walked], finished, transaction);
        let leave = self.client.batch_execute_boxed(path::LEAVE);
        let advance = async { (advance.await, Instant::now()) };
        let commit = async { (self.client.batch_execute_boxed("COMMIT").await, Instant::now()) };
        let look_ahead = async {
            match (ahead, &next_place, &prepared.bound) {
                // The statement has an open lower bound only if this batch had one.
                (Some(rows), Some(next), Some(statement)) if !place.closed => {
                    bound(self.client, statement, next, rows).await.map(Some)
                }
                _ => Ok(None),
            }
        };
        let (left, (advanced, committing), (committed, done), next) =
            join4(leave, advance, commit, look_ahead).await;
        left.map_err(|error| ended(error.into()))?;
        if advanced.map_err(renamed_or_ended)? != 1 {
            return Err(ended(Failed::new("25006", "")).into());
        }
        committed?;
        *lease = after;
        let commit = done.saturating_duration_since(committing);
        Ok(Done { took, commit, finished, next: next.unwrap_or_default() })
    }

    /// Runs the parts; returns how many rows they changed.
    async fn statements(
        &self,
        lease: &Lease,
        place: &Place,
        end: &Key,
        prepared: &Prepared,
    ) -> Result<u64, tokio_postgres::Error> {
        let Some(statement) = &prepared.keys else { return self.parts(lease, place, end, prepared).await };
        let mut keys = keys(self.client, statement, values(&[&place.lower, end])).await?;
        keys.dedup();
        let places =
            keys.into_iter().map(|key| Place { lower: key.clone(), closed: true, last: key, stripe: 0 });
        let places: Vec<Place> = places.collect();
        let each = places.iter().map(|place| self.parts(lease, place, &place.last, prepared));
        Ok(try_join_all(each).await?.into_iter().sum())
    }

    async fn parts(
        &self,
        lease: &Lease,
        place: &Place,
        end: &Key,
        prepared: &Prepared,
    ) -> Result<u64, tokio_postgres::Error> {
        let all = prepared.parts.iter().map(async |statement| {
            let values = lease.parameters(place, end, statement.params().len());
            self.client.execute_raw(statement, values).await
        });
        join_all(all).await.into_iter().sum()
    }

    fn begin(&self, rows: u32) -> String {
        // A batch of one row cannot be halved, so it gets more time.
        let least = if rows <= 1 { Duration::from_secs(30) } else { Duration::ZERO };
        format!(
            "{} READ WRITE; {}SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = '1s'; \
             SET LOCAL synchronous_commit = off",
            journal::begin(self.walk.job),
            path::LEAVE,
            self.walk.job.limit().max(least).as_millis()
        )
    }

    /// Locks the range and proves that the lease is held and the job continues; returns the transaction's id.
    async fn fence(&self, lease: &Lease) -> Result<String, NotDone> {
        // If the job was edited or its search path changed, the range is started again with the new text.
        let sql = "SELECT b.requested <> 'run' OR b.state <> 'running' OR b.statement <> $3 \
                       OR coalesce(b.search_path, 'pg_catalog') <> $4, pg_catalog.pg_current_xact_id()::text \
                   FROM refit.backfill_range r JOIN refit.backfill b ON b.id = r.backfill_id \
                   WHERE r.id = $1 AND r.token = $2 AND NOT r.done FOR UPDATE OF r";
        let sql = self.walk.job.sql(sql);
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&lease.range, Type::INT8),
            (&lease.token, Type::INT8),
            (&self.walk.job.statement, Type::TEXT),
            (&self.walk.job.search_path, Type::TEXT),
        ];
        let rows = self.client.query_boxed(&sql, &parameters).await?;
        let row = rows.first().ok_or(NotDone::Lost)?;
        if row.get(0) { Err(NotDone::Stopped) } else { Ok(row.get(1)) }
    }

    async fn advance(
        &self,
        after: &Lease,
        rows: u32,
        [changed, walked]: [u64; 2],
        finished: bool,
        transaction: String,
    ) -> Result<u64, tokio_postgres::Error> {
        let sql = "UPDATE refit.backfill_range SET position = $2, cursor = $3, done = $4, batch_rows = $5, \
                       rows_changed = rows_changed + $6, rows_walked = rows_walked + $7, batches = batches + 1, retry_reason = NULL, \
                       leased_until = CASE WHEN NOT $4 THEN pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $8) END \
                   WHERE id = $1 AND pg_catalog.pg_current_xact_id()::text = $9 AND CASE \
                       WHEN pg_catalog.to_regclass($10)::oid IS DISTINCT FROM relation_oid AND relation_oid IS NOT NULL \
                       THEN pg_catalog.current_setting('refit.the_table_has_another_name') IS NULL ELSE true END";
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let (changed, walked) = (number(changed), number(walked));
        let rows = i32::try_from(rows).unwrap_or(i32::MAX);
        let seconds = self.walk.lease.as_secs_f64();
        self.client
            .execute_boxed(
                &self.walk.job.sql(sql),
                &[
                    (&after.range, Type::INT8),
                    (&after.position, Type::INT4),
                    (&after.cursor, Type::TEXT_ARRAY),
                    (&finished, Type::BOOL),
                    (&rows, Type::INT4),
                    (&changed, Type::INT8),
                    (&walked, Type::INT8),
                    (&seconds, Type::FLOAT8),
                    (&transaction, Type::TEXT),
                    (&after.relation, Type::TEXT),
                ],
            )
            .await
    }

    /// Calls the registered function in the current transaction.
    async fn call(&self, lease: &Lease, place: &Place, end: &Key) -> Result<u64, Failed> {
        let Some(function) = self.walk.functions.get(self.walk.job.version) else {
            return Err(Failed::new("", "this program registers no function for its version"));
        };
        let batch = Batch {
            client: self.client,
            relation: &lease.relation,
            key: &self.key,
            lower: &place.lower,
            closed: place.closed,
            upper: end,
            remaining: self.walk.job.remaining.as_deref().filter(|_| lease.pass > 0),
        };
        function(batch).await.map_err(|error| match error.downcast::<tokio_postgres::Error>() {
            Ok(error) => Failed::from(*error),
            // A function's own errors concern its rows, as exceptions of a SQL routine do.
            Err(error) => Failed::new("P0001", crate::error::chain(&*error)),
        })
    }

    /// Sets aside a row that cannot be changed, and advances past it.
    pub(crate) async fn set_aside(
        &self,
        lease: &mut Lease,
        place: &Place,
        end: &Key,
        failed: &Failed,
    ) -> Result<Done, NotDone> {
        let outcome = self.record(lease, place, end, failed).await;
        self.or_rolled_back(outcome).await
    }

    async fn record(
        &self,
        lease: &mut Lease,
        place: &Place,
        end: &Key,
        failed: &Failed,
    ) -> Result<Done, NotDone> {
        let begin = self.begin(1);
        let sql = "INSERT INTO refit.backfill_error (backfill_id, relation, key, sqlstate, message, detail) \
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (backfill_id, relation, key) DO UPDATE SET \
                       sqlstate = excluded.sqlstate, message = excluded.message, detail = excluded.detail, \
                       attempts = backfill_error.attempts + 1, failed_at = pg_catalog.now(), resolved_at = NULL";
        let sqlstate = failed.sqlstate.clone().unwrap_or_default();
        let parameters: [(&(dyn ToSql + Sync), Type); 6] = [
            (&self.walk.job.id, Type::INT8),
            (&lease.relation, Type::TEXT),
            (end, Type::TEXT_ARRAY),
            (&sqlstate, Type::TEXT),
            (&failed.message, Type::TEXT),
            (&failed.detail, Type::TEXT),
        ];
        let mut after = lease.clone();
        let finished = after.advance(place, end.clone());
        self.client.batch_execute_boxed(&begin).await.map_err(unwritable)?;
        let transaction = self.fence(lease).await?;
        let sql = self.walk.job.sql(sql);
        let recorded = self.client.execute_boxed(&sql, &parameters);
        let advanced = self.advance(&after, 1, [0, 1], finished, transaction);
        let commit = self.client.batch_execute_boxed("COMMIT");
        let (recorded, advanced, committed) = join3(recorded, advanced, commit).await;
        recorded?;
        advanced.map_err(renamed_or_ended)?;
        committed?;
        *lease = after;
        Ok(Done { took: Duration::ZERO, commit: Duration::ZERO, finished, next: None })
    }
}
