//! Retention: records of runs, steps and checks expire.
//!
//! *Invariant*: what a later run decides by is never deleted. That is the last run, and each attempt outside a transaction that a
//! resumed step, or an operator, has to know. A successful step is deleted only together with the attempts before it: without it,
//! they would look unfinished.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tracing::{debug, warn};

use super::State;
use crate::error::Error;
use crate::queries::Queries;

/// Runs expire in the order of their ids, so that no success expires before an attempt that it followed.
const EXPIRE: &str = "WITH expired AS ( \
        SELECT id FROM refit.run WHERE history_id = $1 AND id < ( \
            SELECT pg_catalog.min(kept.id) FROM refit.run AS kept WHERE kept.history_id = $1 \
                AND (coalesce(kept.finished_at, kept.started_at) >= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2) \
                    OR kept.id = (SELECT pg_catalog.max(id) FROM refit.run WHERE history_id = $1)))), \
    needed AS ( \
        SELECT begun.id, begun.run_id FROM refit.step AS begun JOIN expired ON expired.id = begun.run_id \
        WHERE begun.outcome <> 'succeeded' AND begun.statements_done IS NOT NULL \
          AND NOT EXISTS (SELECT FROM refit.step AS later \
              JOIN refit.run AS later_run ON later_run.id = later.run_id AND later_run.history_id = $1 \
              WHERE later.id > begun.id AND later.kind = begun.kind AND later.name = begun.name \
                AND later.version IS NOT DISTINCT FROM begun.version AND later.outcome = 'succeeded')), \
    steps AS ( \
        DELETE FROM refit.step USING expired WHERE step.run_id = expired.id \
            AND NOT EXISTS (SELECT FROM needed WHERE needed.id = step.id)) \
    DELETE FROM refit.run USING expired WHERE run.id = expired.id \
        AND NOT EXISTS (SELECT FROM needed WHERE needed.run_id = run.id)";

/// The session need not be pinned.
const EXPIRE_CHECKS: &str = "DELETE FROM refit.check_result WHERE history_id OPERATOR(pg_catalog.=) $1 AND checked_at \
    OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => $2))";

/// Deletes the records of the history's runs that ended longer ago than `retention`, in one round trip. A failure is logged: the
/// run has succeeded, and the next one tries again.
pub(crate) async fn expire_runs(client: &Client, state: &State, retention: Duration) {
    expire(client, state, EXPIRE, retention, "runs").await;
}

/// Deletes the results of checks that are older than `retention`. A failure is logged.
pub(crate) async fn expire_check_results(client: &Client, state: &State, retention: Duration) {
    expire(client, state, EXPIRE_CHECKS, retention, "checks").await;
}

async fn expire(client: &Client, state: &State, sql: &str, retention: Duration, what: &'static str) {
    let seconds = retention.as_secs_f64();
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&state.history(), Type::INT8), (&seconds, Type::FLOAT8)];
    match client.execute_boxed(&state.sql(sql), &parameters).await {
        Ok(0) => {}
        Ok(rows) => debug!(rows, "deleted the records of {what}: `retention` has passed"),
        // Such a role can apply migrations; runs of the owner delete what has expired.
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            debug!("the role may not delete expired records of {what}: {}", crate::error::describe(&error));
        }
        Err(error) => {
            let error = Error::database("deleting expired records")(error);
            warn!("{}", error.message());
        }
    }
}
