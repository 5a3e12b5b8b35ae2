//! Reading the results of a run's checks.

use std::time::Duration;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::error::Error;
use crate::queries::Queries;
use crate::report::{CheckResult, Counts, Verdict};
use crate::state::State;

/// What the checks of a run found, in the order in which they ran. The session is pinned.
///
/// # Errors
/// When a query fails, or a newer release wrote the records.
pub(crate) async fn recorded(client: &Client, state: &State, run: i64) -> Result<Vec<CheckResult>, Error> {
    if !state.has(client, "check_result").await? {
        return Ok(Vec::new());
    }
    let sql = "SELECT name, path, line, verdict, row_count, source_count, target_count, column_names, first_rows::pg_catalog.text, \
                   error, pg_catalog.date_part('epoch', duration) FROM refit.check_result WHERE history_id = $1 AND run_id = $2 ORDER BY id";
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&state.history(), Type::INT8), (&run, Type::INT8)];
    let rows = client.query_boxed(&state.sql(sql), &parameters).await;
    rows.map_err(Error::database("reading the results of checks"))?.iter().map(result).collect()
}

fn result(row: &Row) -> Result<CheckResult, Error> {
    let unreadable = |what: &str| {
        Error::Target(format!(
            "cannot read the records of checks ({what}); a newer release may have written them: use that release"
        ))
    };
    let verdict = match row.get(3) {
        "passed" => Verdict::Passed,
        "warned" => Verdict::Warned,
        "failed" => Verdict::Failed,
        word => return Err(unreadable(word)),
    };
    let (source, target): (Option<i64>, Option<i64>) = (row.get(5), row.get(6));
    let counts = source.zip(target).map(|(source, target)| Counts {
        source,
        target,
        difference: source.saturating_sub(target),
    });
    let first_rows = serde_json::from_str(row.get(8)).map_err(|error| unreadable(&error.to_string()))?;
    Ok(CheckResult {
        name: row.get(0),
        path: row.get(1),
        line: usize::try_from(row.get::<_, i32>(2)).unwrap_or_default(),
        verdict,
        rows: u64::try_from(row.get::<_, i64>(4)).unwrap_or_default(),
        columns: row.get(7),
        first_rows,
        counts,
        error: row.get(9),
        duration: Duration::try_from_secs_f64(row.get(10)).unwrap_or_default(),
    })
}
