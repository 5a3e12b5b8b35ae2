//! The search path of a job: its SQL runs under the one that its migration was applied with, Refit's own under a pinned one.

use tokio_postgres::Client;

use super::job::Job;
use super::key::literal;
use crate::error::Error;
use crate::pin::SEARCH_PATH;

/// SQL that makes the transaction at hand see what the job's statement sees.
pub(crate) fn enter(job: &Job) -> String {
    format!("SELECT pg_catalog.set_config('search_path', {}, true);", literal(&job.search_path))
}

/// SQL that ends it.
pub(crate) const LEAVE: &str = "SET LOCAL search_path = pg_catalog, pg_temp;";

/// Does something with the job's own SQL, inside of a transaction of a pinned session.
pub(crate) async fn under<T>(
    client: &Client,
    job: &Job,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let failed = || Error::database("setting the search path of a backfill");
    client.batch_execute(&enter(job)).await.map_err(failed())?;
    let outcome = work.await;
    // A transaction that has failed is about to be rolled back, and its settings with it.
    let left = client.batch_execute(&format!("SET LOCAL search_path = {SEARCH_PATH}")).await;
    let outcome = outcome?;
    left.map_err(failed())?;
    Ok(outcome)
}
