//! The results of checks in the state.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Error;
use crate::queries::Queries;
use crate::report::CheckResult;
use crate::state::State;

/// When checks ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Before the first step of a run.
    Before,
    /// After a step of a run.
    After,
    /// When a backfill had no rows left.
    Backfill,
    /// By the schedule of a service.
    Schedule,
    /// By [`Migrator::check`](crate::Migrator::check).
    Request,
}

impl Occasion {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Occasion::Before => "before",
            Occasion::After => "after",
            Occasion::Backfill => "backfill",
            Occasion::Schedule => "schedule",
            Occasion::Request => "request",
        }
    }
}

/// Appends results to `refit.check_result`. It does nothing if the state has no such table, or the role may not write it.
///
/// # Errors
/// When a query fails.
pub(crate) async fn record(
    client: &Client,
    state: &State,
    run: Option<i64>,
    occasion: Occasion,
    results: &[CheckResult],
) -> Result<(), Error> {
    if results.is_empty() || state.is_empty() || !state.may_append(client, "check_result").await? {
        return Ok(());
    }
    let failed = |error: serde_json::Error| Error::Internal(format!("results of checks as JSON: {error}"));
    let json = serde_json::to_string(results).map_err(failed)?;
    let sql = "INSERT INTO refit.check_result (history_id, run_id, occasion, name, path, line, verdict, row_count, source_count, \
                   target_count, column_names, first_rows, error, duration) \
               SELECT $1, $2, $3, name, path, line, verdict, rows, (counts OPERATOR(pg_catalog.->>) 'source')::pg_catalog.int8, \
                   (counts OPERATOR(pg_catalog.->>) 'target')::pg_catalog.int8, columns, first_rows, error, \
                   pg_catalog.make_interval(secs => duration) \
               FROM pg_catalog.jsonb_to_recordset($4::pg_catalog.text::pg_catalog.jsonb) AS result (name pg_catalog.text, \
                   path pg_catalog.text, line pg_catalog.int4, verdict pg_catalog.text, rows pg_catalog.int8, counts pg_catalog.jsonb, \
                   columns pg_catalog.text[], first_rows pg_catalog.jsonb, error pg_catalog.text, duration pg_catalog.float8)";
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&state.history(), Type::INT8),
        (&run, Type::INT8),
        (&occasion.as_str(), Type::TEXT),
        (&json, Type::TEXT),
    ];
    let recorded = client.execute_boxed(&state.sql(sql), &parameters).await;
    recorded.map(drop).map_err(Error::database("recording the results of checks"))
}
