//! Idle workers: they hold no connection.

use std::time::Duration;

use futures_util::future::select;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::job::Job;
use super::lease::LIVE;
use super::supervisor::Starting;
use super::worker::{SLICE, Worker, is_server_failure};
use crate::error::Error;
use crate::queries::Queries;

/// How long a worker keeps its connection after its last range while no other range is free.
pub(super) const LINGER: Duration = Duration::from_secs(3);

/// What an idle worker does next.
pub(super) enum NextWork<'a> {
    /// A range is free, or that could not be determined: it connects.
    Range(Option<Starting<'a>>),
    /// The job has ended or was stopped.
    Over,
}

impl<'a> Worker<'a> {
    /// Waits, on the process's own connection, until the worker may work and a range is free.
    ///
    /// # Errors
    /// When the job cannot be read.
    pub(super) async fn wait_for_work(&mut self) -> Result<NextWork<'a>, Error> {
        loop {
            let gauge = self.gauge;
            let left = std::pin::pin!(gauge.next_left());
            let look = ranges(self.client, self.walk.job, self.walk.job.directive.workers).await;
            match look {
                Ok(None) => return Ok(NextWork::Over),
                Ok(Some(free)) if self.may_work() => {
                    if let Some(starting) = self.gauge.start(free) {
                        return Ok(NextWork::Range(Some(starting)));
                    }
                }
                Ok(Some(_)) => {}
                // The process's connection cannot tell: the worker connects after a pause.
                Err(error) if self.client.is_closed() || is_server_failure(&error) => {
                    tokio::time::sleep(SLICE).await;
                    if self.may_work() {
                        return Ok(NextWork::Range(None));
                    }
                }
                Err(error) => return Err(error),
            }
            let changed = std::pin::pin!(self.allowance.changed());
            tokio::time::timeout(SLICE, select(changed, left)).await.ok();
        }
    }
}

/// How many ranges of a job could be leased now, given its limit of workers; none when it has ended or was stopped.
async fn ranges(client: &Client, job: &Job, workers: u32) -> Result<Option<u32>, Error> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM refit.backfill WHERE id = $1 AND state = 'running' AND requested = 'run'), pg_catalog.count(*), \
             pg_catalog.count(*) FILTER (WHERE {LIVE}) FROM refit.backfill_range r WHERE backfill_id = $1 AND NOT done"
    );
    let row = client.query_one_boxed(&job.sql(&sql), &[(&job.id, Type::INT8)]).await;
    let row = row.map_err(Error::database("looking for a range"))?;
    let (runs, left, leased): (bool, i64, i64) = (row.get(0), row.get(1), row.get(2));
    if !runs || left == 0 {
        return Ok(None);
    }
    let free = (left - leased).min(i64::from(workers) - leased);
    Ok(Some(u32::try_from(free).unwrap_or(0)))
}
