//! The search path of a job: its SQL runs under the path that its migration was applied with, Refit's own under a pinned one.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::job::Job;
use super::key::literal;
use crate::error::Error;
use crate::pin::{SEARCH_PATH, local_search_path};
use crate::queries::Queries;

/// SQL that sets the job's search path in the current transaction.
pub(crate) fn enter(job: &Job) -> String {
    local_search_path(&job.search_path)
}

/// SQL that restores the pinned one.
pub(crate) const LEAVE: &str = "SET LOCAL search_path = pg_catalog, pg_temp;";

/// Runs the job's own SQL in a transaction of a pinned session.
pub(crate) async fn under<T>(
    client: &Client,
    job: &Job,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let failed = || Error::database("setting the search path of a backfill");
    client.batch_execute_boxed(&enter(job)).await.map_err(failed())?;
    let outcome = work.await;
    // This fails in a failed transaction, whose rollback also restores the settings.
    let left = client.batch_execute_boxed(&format!("SET LOCAL search_path = {SEARCH_PATH}")).await;
    let outcome = outcome?;
    left.map_err(failed())?;
    Ok(outcome)
}

/// The value of an expression under the job's search path, as text; its names are resolved like those of the job's statement.
pub(crate) async fn value(
    client: &Client,
    job: &Job,
    expression: &str,
    doing: &'static str,
) -> Result<Option<String>, Error> {
    // One message, which is one transaction unless a transaction is open.
    let sql = format!("{}SELECT {expression};{LEAVE}", enter(job));
    let messages = client.simple_query_boxed(&sql).await.map_err(Error::database(doing))?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    });
    // The first row is the setting.
    Ok(rows.last().flatten())
}

/// Resolves a name of the job to a relation, qualified and quoted; none if it does not exist.
pub(crate) async fn resolve(client: &Client, job: &Job, name: &str) -> Result<Option<String>, Error> {
    let expression = format!(
        "(SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
          JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
          WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})::pg_catalog.oid)",
        literal(name)
    );
    value(client, job, &expression, "looking for a backfill's table").await
}
