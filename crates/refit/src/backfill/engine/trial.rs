//! Runs the batches of a backfill that is not registered, one after the other on one session: for rehearsals.
//!
//! Table, statement and query plans are checked, and ranges and batches are cut, as for a job. There are no leases, no throttle
//! and no journal.

use refit_model::{Statement, split_statements};
use tokio_postgres::{Client, Error as DriverError};

use super::cut::{bound, bound_sql};
use super::heap;
use super::job::Job;
use super::key::{Key, KeyColumns, Text};
use super::lease::{Lease, Place};
use super::path;
use super::preview::{Basis, as_registered, basis};
use super::worker::pinned;
use crate::error::Error;
use crate::queries::Queries;
use crate::statement_observer::{RunningStatement, StatementObserver};

/// How a trial failed.
pub(crate) enum TrialError {
    /// The backfill cannot run, for this reason.
    Refused(String),
    /// The statement with this index failed.
    Statement(usize, DriverError),
    /// A query of Refit's own failed.
    Own(Error),
}

impl From<Error> for TrialError {
    /// What the server says of the directive's table or key is a reason; all else is an error.
    fn from(error: Error) -> TrialError {
        let is_reason = |code: &str| (code.starts_with("42") && code != "42501") || code.starts_with("22");
        match error.sqlstate().is_some_and(is_reason) {
            true => TrialError::Refused(error.message()),
            false => TrialError::Own(error),
        }
    }
}

/// Runs the batches on a pinned session, `at_most` of them. If the table is empty, one batch with NULL for its keys shows that
/// the statements can run.
///
/// # Errors
/// The first failure. The batch is rolled back.
pub(crate) async fn trial(
    client: &Client,
    job: Job,
    at_most: usize,
    observer: Option<&dyn StatementObserver>,
) -> Result<(), TrialError> {
    let job = as_registered(client, job).await?;
    let basis = basis(client, &job, false).await?.map_err(TrialError::Refused)?;
    let statements = split_statements(&job.statement);
    let trial = Trial { client, job: &job, basis: &basis, statements: &statements, observer };
    if basis.leases.is_empty() {
        let name = &basis.table.name;
        return trial.batch(name, None, |count| (0..count).map(|_| Text::NULL).collect()).await;
    }
    let mut batches = 0;
    for lease in &basis.leases {
        let mut lease = lease.clone();
        while let Some(place) = lease.place().filter(|_| batches < at_most) {
            let end = trial.end(&lease, &place).await?;
            let values = |count| lease.parameters(&place, &end, count);
            trial.batch(&lease.relation, Some((batches, place.closed)), values).await?;
            lease.advance(&place, end);
            batches += 1;
        }
    }
    Ok(())
}

struct Trial<'a> {
    client: &'a Client,
    job: &'a Job,
    basis: &'a Basis,
    statements: &'a [Statement<'a>],
    observer: Option<&'a dyn StatementObserver>,
}

impl Trial<'_> {
    /// The key that a batch ends with.
    async fn end(&self, lease: &Lease, place: &Place) -> Result<Key, Error> {
        let failed = || Error::database("reading the end of a batch");
        let directive = &self.job.directive;
        let end = match directive.walks_heap() {
            true => heap::bound(place, directive.batch, self.basis.table.rows_per_page()),
            false => {
                let sql = bound_sql(&lease.relation, &KeyColumns::new(&directive.key), None, place.closed);
                let statement = self.client.prepare_boxed(&sql).await.map_err(failed())?;
                bound(self.client, &statement, place, directive.batch).await.map_err(failed())?
            }
        };
        Ok(end.unwrap_or_else(|| place.last.clone()))
    }

    /// Runs and commits one batch; `batch` is its number and whether its lower bound is a part of it.
    async fn batch<'v>(
        &self,
        relation: &str,
        batch: Option<(usize, bool)>,
        values: impl Fn(usize) -> Vec<Text<'v>> + Sync,
    ) -> Result<(), TrialError> {
        let failed = || Error::database("running a batch");
        let begin = format!("BEGIN;{}{}", pinned("SET LOCAL"), path::enter(self.job));
        if let Err(error) = self.client.batch_execute_boxed(&begin).await {
            self.client.batch_execute_boxed("ROLLBACK").await.ok();
            return Err(failed()(error).into());
        }
        for (index, (part, statement)) in self.basis.shape.parts.iter().zip(self.statements).enumerate() {
            let text = part.text(relation, batch.is_some_and(|(_, closed)| closed));
            let sent = async {
                let prepared = self.client.prepare_boxed(&text).await?;
                let values = values(prepared.params().len());
                self.client.execute_raw(&prepared, values).await.map(drop)
            };
            let running = RunningStatement {
                batch: batch.map(|(number, _)| number),
                ..RunningStatement::new(index, statement, true)
            };
            let outcome = match self.observer {
                Some(observer) => observer.observe(running, Box::pin(sent)).await,
                None => sent.await,
            };
            if let Err(error) = outcome {
                self.client.batch_execute_boxed("ROLLBACK").await.ok();
                return Err(TrialError::Statement(index, error));
            }
        }
        self.client.batch_execute_boxed("COMMIT").await.map_err(failed())?;
        Ok(())
    }
}
