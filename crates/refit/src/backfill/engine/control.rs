//! Requests of operators, from any session: workers check for them with every batch.

use refit_model::Version;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::job::Job;
use super::names::follow_if_behind;
use crate::error::Error;
use crate::pin::pinned;
use crate::queries::Queries;
use crate::state::State;

/// A request that an operator may make of a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Batches stop, and leases are released.
    Pause,
    /// Continues after a pause, a cancellation or a failure.
    Resume,
    /// Tries the rows that were set aside again, and continues.
    Retry,
    /// Ends the job where it is; its gate stays closed.
    Cancel,
}

/// Sends a request to the backfill of a version. The workers of all processes follow it with their next batch.
///
/// ```no_run
/// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
/// use refit::backfill::{Request, request};
///
/// let state = migrator.state(client).await?;
/// request(client, &state, 15, Request::Pause).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::Target`] when there is no such backfill, or its state does not allow it.
pub async fn request(
    client: &Client,
    state: &State,
    version: Version,
    request: Request,
) -> Result<(), Error> {
    pinned(client, async || request_pinned(client, state, version, request).await).await
}

/// The same on a session that is pinned.
pub(in crate::backfill) async fn request_pinned(
    client: &Client,
    state: &State,
    version: Version,
    request: Request,
) -> Result<(), Error> {
    follow_if_behind(client, state).await?;
    let Some(job) = Job::of(client, state, version).await? else {
        return Err(Error::Target(format!("version {version} has no backfill in this database")));
    };
    let refused = |what: &str| Error::Target(format!("the backfill {} is {}: {what}", job.name, job.state));
    let over = job.state == "complete";
    match request {
        _ if over => Err(refused("there is nothing left to do")),
        Request::Pause if job.state != "running" && job.state != "registered" => {
            Err(refused("it is not running"))
        }
        Request::Pause => set(client, &job, "requested = 'pause'").await,
        Request::Cancel => {
            set(
                client,
                &job,
                "requested = 'cancel', state = 'canceled', finished_at = pg_catalog.clock_timestamp(), throttle = NULL",
            )
            .await
        }
        Request::Resume => set(client, &job, RUN).await,
        Request::Retry => retry(client, &job).await,
    }
}

/// A job without ranges begins again; one that had ended counts its sweeps from zero.
const RUN: &str = "requested = 'run', error = NULL, finished_at = NULL, \
    pass = CASE WHEN state IN ('registered', 'running') THEN pass ELSE 0 END, \
    state = CASE WHEN started_at IS NULL THEN 'registered' ELSE 'running' END";

/// Earlier sweeps no longer count.
const SWEPT: &str = "UPDATE refit.backfill_range SET pass = -1 \
    WHERE done AND pass > 0 AND backfill_id IN (SELECT id FROM job WHERE pass = 0)";

async fn set(client: &Client, job: &Job, what: &str) -> Result<(), Error> {
    let sql = format!(
        "WITH job AS (UPDATE refit.backfill SET {what} WHERE id = $1 AND state <> 'complete' RETURNING id, pass), \
              swept AS ({SWEPT}) SELECT FROM job"
    );
    asked(client, job, &sql).await
}

/// Each row that was set aside becomes a separate range.
async fn retry(client: &Client, job: &Job) -> Result<(), Error> {
    let sql = format!(
        "WITH job AS (UPDATE refit.backfill SET {RUN} WHERE id = $1 AND state <> 'complete' RETURNING id, pass), \
              swept AS ({SWEPT}), \
              again AS (UPDATE refit.backfill_error SET resolved_at = pg_catalog.now() \
                        WHERE backfill_id IN (SELECT id FROM job) AND resolved_at IS NULL RETURNING relation, key), \
              ranges AS (INSERT INTO refit.backfill_range (backfill_id, pass, relation, lower, lower_closed, windows, rows_estimated, relation_oid) \
                         SELECT $1, -1, relation, key, true, pg_catalog.json_build_array(key)::text, 1, \
                             pg_catalog.to_regclass(relation)::pg_catalog.oid FROM again) \
         SELECT FROM job"
    );
    asked(client, job, &sql).await
}

/// A job that has become complete since it was read is not changed.
async fn asked(client: &Client, job: &Job, sql: &str) -> Result<(), Error> {
    let changed = client.query_boxed(&job.sql(sql), &[(&job.id, Type::INT8)]).await;
    match changed.map_err(Error::database("controlling a backfill"))?.is_empty() {
        true => Err(Error::Target(format!(
            "the backfill {} has become complete: there is nothing left to do",
            job.name
        ))),
        false => Ok(()),
    }
}
