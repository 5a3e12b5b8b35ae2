//! A batch that is rolled back: its statements run under EXPLAIN ANALYZE, which counts only their own WAL.

use std::time::Instant;

use futures_util::TryStreamExt;
use serde_json::Value;
use tokio_postgres::{Client, Row};

use super::Basis;
use crate::backfill::engine::cut::{bound, bound_sql, values};
use crate::backfill::engine::facts::whole;
use crate::backfill::engine::failed::Failed;
use crate::backfill::engine::failure_class::FailureClass;
use crate::backfill::engine::heap;
use crate::backfill::engine::inspect::json;
use crate::backfill::engine::job::Job;
use crate::backfill::engine::journal;
use crate::backfill::engine::key::{Key, KeyColumns};
use crate::backfill::engine::lease::{Lease, Place};
use crate::backfill::engine::path;
use crate::error::Error;

/// What a batch did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampled {
    pub(super) walked: u64,
    pub(super) changed: u64,
    pub(super) seconds: f64,
    pub(super) wal: u64,
    /// Whether another stripe had visited the pages before.
    pub(super) later: bool,
}

/// Maximum halvings of a batch that takes too long.
const HALVINGS: u32 = 6;

/// Runs batches spread over the remaining ranges. Returns what they did, and the errors of those that failed.
pub(super) async fn samples(
    client: &Client,
    job: &Job,
    basis: &Basis,
    batches: u32,
) -> Result<(Vec<Sampled>, Vec<String>), Error> {
    let (mut sampled, mut failures) = (Vec::new(), Vec::new());
    let mut leases = basis.leases.clone();
    let key = KeyColumns::new(&job.directive.key);
    let sampler = Sampler { client, job, basis, key: &key };
    // With stripes, each position is visited twice.
    let striped = leases.first().is_some_and(Lease::is_striped);
    let batches = if striped { batches.div_ceil(2) } else { batches };
    for number in 0..batches {
        let count = leases.len();
        let at = number as usize * count / batches as usize;
        // If a range is done, the next one.
        let mut further = (0..count).map(|further| (at + further) % count);
        let Some((at, place)) = further.find_map(|at| leases[at].place().map(|place| (at, place))) else {
            break;
        };
        let lease = &mut leases[at];
        match sampler.largest_batch(lease, &place, &mut failures).await? {
            Ok((end, batch)) => {
                lease.advance(&place, end);
                sampled.extend(batch);
            }
            Err(failed) => {
                failures.push(failed.to_string());
                lease.advance(&place, place.last.clone());
            }
        }
    }
    let mut failures: Vec<String> = failures.iter().map(|failure| job.redact(failure)).collect();
    failures.sort();
    failures.dedup();
    Ok((sampled, failures))
}

struct Sampler<'a> {
    client: &'a Client,
    job: &'a Job,
    basis: &'a Basis,
    key: &'a KeyColumns,
}

impl Sampler<'_> {
    /// Runs the largest batch at a position that ends in time. Returns where it ended, and what it did: twice for stripes.
    async fn largest_batch(
        &self,
        lease: &Lease,
        place: &Place,
        failures: &mut Vec<String>,
    ) -> Result<Result<(Key, Vec<Sampled>), Failed>, Error> {
        let mut rows = self.job.directive.batch;
        for halving in 0..=HALVINGS {
            let whole_stripe = lease.is_striped() && halving == 0;
            let end = match whole_stripe {
                true => Ok(None),
                false => self.bound(lease, place, rows).await,
            };
            let end = match end {
                Ok(end) => end.unwrap_or_else(|| place.last.clone()),
                Err(failed) => return self.failed(failed),
            };
            match self.batch(lease, place, &end).await {
                Ok(sampled) => return Ok(Ok((end, sampled))),
                // It took too long, another session holds its rows, or a row failed: retried with fewer rows, as a worker does.
                Err(failed) => match FailureClass::of(&failed) {
                    FailureClass::TooLarge if halving < HALVINGS && rows > 1 => rows /= 2,
                    FailureClass::BadRow if halving < HALVINGS && rows > 1 => {
                        failures.push(failed.to_string());
                        rows /= 2;
                    }
                    _ => return self.failed(failed),
                },
            }
        }
        Ok(Err(Failed::new("57014", "no batch ended in time")))
    }

    /// Where a batch of this many rows ends: none is the window's end.
    async fn bound(&self, lease: &Lease, place: &Place, rows: u32) -> Result<Option<Key>, Failed> {
        if self.job.directive.walks_heap() {
            return Ok(heap::bound(place, rows, self.basis.table.rows_per_page()));
        }
        let condition = self.job.remaining.as_deref().filter(|_| lease.pass > 0);
        let sql = bound_sql(&lease.relation, self.key, condition, place.closed);
        self.client.batch_execute(&format!("BEGIN;{}", path::enter(self.job))).await?;
        let found = async {
            let statement = self.client.prepare(&sql).await?;
            bound(self.client, &statement, place, rows).await
        };
        let found = found.await;
        self.client.batch_execute("ROLLBACK").await?;
        Ok(found?)
    }

    /// An error about a row is a result; a lost connection is an error.
    fn failed<T>(&self, failed: Failed) -> Result<Result<T, Failed>, Error> {
        match FailureClass::of(&failed) {
            FailureClass::Disconnected => Err(self.job.failure(format!("the preview stopped: {failed}"))),
            _ => Ok(Err(failed)),
        }
    }

    async fn batch(&self, lease: &Lease, place: &Place, end: &Key) -> Result<Vec<Sampled>, Failed> {
        let outcome = self.rolled_back(lease, place, end).await;
        let undone = self.client.batch_execute("ROLLBACK").await;
        if outcome.is_err() {
            for number in 0..self.basis.shape.parts.len() {
                // A prepared statement outlives the rollback.
                self.client.batch_execute(&format!("DEALLOCATE {}", prepared(number))).await.ok();
            }
        }
        let sampled = outcome?;
        undone?;
        Ok(sampled)
    }

    async fn rolled_back(&self, lease: &Lease, place: &Place, end: &Key) -> Result<Vec<Sampled>, Failed> {
        let walked = self.rows(lease, place, end).await?;
        self.client.batch_execute(&self.begin()).await?;
        let stripes = u64::try_from(lease.stripes).unwrap_or(1).max(1);
        let mut sampled = vec![self.run(lease, place, end, walked / stripes).await?];
        if lease.is_striped() {
            let other = Place { stripe: (place.stripe + 1) % lease.stripes, ..place.clone() };
            let later = self.run(lease, &other, end, walked / stripes).await?;
            sampled.push(Sampled { later: true, ..later });
        }
        Ok(sampled)
    }

    /// Rows between two keys.
    async fn rows(&self, lease: &Lease, place: &Place, end: &Key) -> Result<u64, Failed> {
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM ONLY {} WHERE {}",
            lease.relation,
            self.key.between(place.closed)
        );
        let statement = self.client.prepare(&sql).await?;
        let values = values(&[&place.lower, end]);
        let rows: Vec<Row> = self.client.query_raw(&statement, values).await?.try_collect().await?;
        Ok(rows.first().map_or(0, |row| u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)))
    }

    fn begin(&self) -> String {
        let mut sql = format!(
            "{}; SET LOCAL lock_timeout = '1s'; SET LOCAL plan_cache_mode = 'force_custom_plan'; \
             SET LOCAL client_min_messages = warning;",
            journal::begin(self.job)
        );
        if !self.job.directive.undo.is_empty() && self.job.journal.is_none() {
            let schema = self.job.state_schema.quoted();
            sql.push_str(&format!("CREATE SCHEMA IF NOT EXISTS {schema};"));
            sql.push_str(&journal::create(self.job, &self.basis.table, Some(&self.basis.shape)));
        }
        sql + &format!(
            "SET LOCAL statement_timeout = {};{}",
            self.job.limit().as_millis(),
            path::enter(self.job)
        )
    }

    async fn run(&self, lease: &Lease, place: &Place, end: &Key, walked: u64) -> Result<Sampled, Failed> {
        let mut sampled = Sampled { walked, changed: 0, seconds: 0.0, wal: 0, later: false };
        for (number, part) in self.basis.shape.parts.iter().enumerate() {
            let text = journal::statement(self.job, part, &lease.relation, place.closed);
            let name = prepared(number);
            let values = lease.parameters(place, end, part.parameters);
            let values: Vec<String> = values.iter().map(|value| value.literal()).collect();
            self.client.batch_execute(&format!("PREPARE {name} AS {text}")).await?;
            let sql = format!(
                "EXPLAIN (ANALYZE, WAL, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE {name}({})",
                values.join(", ")
            );
            let began = Instant::now();
            let plan = json(self.client, &sql).await?;
            sampled.seconds += began.elapsed().as_secs_f64();
            self.client.batch_execute(&format!("DEALLOCATE {name}")).await?;
            sampled.wal += whole(plan[0]["Plan"]["WAL Bytes"].as_f64().unwrap_or(0.0));
            sampled.changed += whole(changed(&plan[0]["Plan"]));
        }
        Ok(sampled)
    }
}

/// The name under which a statement of the batch is prepared.
fn prepared(number: usize) -> String {
    format!("refit_backfill_sample_{number}")
}

/// Rows that reach the first ModifyTable node of a plan: the node itself counts only the rows of RETURNING.
fn changed(node: &Value) -> f64 {
    let children = || node["Plans"].as_array().into_iter().flatten();
    let is_journal = children().any(|child| child["Subplan Name"].as_str() == Some("CTE changed"));
    if node["Node Type"] == "ModifyTable" && !is_journal {
        let outer = children().filter(|child| child["Parent Relationship"] != "InitPlan");
        return outer
            .map(|child| {
                child["Actual Rows"].as_f64().unwrap_or(0.0) * child["Actual Loops"].as_f64().unwrap_or(1.0)
            })
            .sum();
    }
    children().map(changed).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_below_the_change() {
        let scan = serde_json::json!({ "Node Type": "Index Scan", "Parent Relationship": "Outer", "Actual Rows": 7, "Actual Loops": 1 });
        let update = serde_json::json!({ "Node Type": "ModifyTable", "Actual Rows": 0, "Plans": [scan] });
        assert_eq!(changed(&update), 7.0);
        let mut inner = update.clone();
        inner["Subplan Name"] = "CTE changed".into();
        inner["Parent Relationship"] = "InitPlan".into();
        let join = serde_json::json!({ "Node Type": "Nested Loop", "Parent Relationship": "Outer", "Actual Rows": 7 });
        let journal = serde_json::json!({ "Node Type": "ModifyTable", "Plans": [inner, join] });
        assert_eq!(changed(&journal), 7.0);
    }
}
