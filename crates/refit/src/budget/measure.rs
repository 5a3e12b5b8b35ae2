//! Executing one budget's query, in a read-only transaction that is rolled back.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use refit_model::Budget;
use refit_model::redact::Secrets;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::error::{Error, describe};
use crate::pin::Caller;
use crate::queries::Queries;
use crate::report::Measurement;

/// A list of SQL literals for each execution, by turns.
pub(crate) type Parameters = Vec<String>;

/// Reads the parameters of a budget; one empty list for a query without. The inner error says why there are none.
///
/// # Errors
/// When the session is lost.
pub(super) async fn parameters(
    client: &Client,
    budget: &Budget,
    caller: Option<&Caller>,
) -> Result<Result<Parameters, String>, Error> {
    let Some(sql) = &budget.parameters else { return Ok(Ok(vec![String::new()])) };
    let rows = async {
        client.batch_execute_boxed(&begin(budget, caller)).await?;
        // More rows than executions are not needed.
        let cursor =
            format!("DECLARE refit_budget NO SCROLL CURSOR FOR {}\n", sql.trim().trim_end_matches(';'));
        client.batch_execute_boxed(&cursor).await?;
        client.simple_query_boxed(&format!("FETCH FORWARD {} FROM refit_budget", budget.runs)).await
    };
    let rows = rows.await;
    let rows = ended(client, rows, sql, "ROLLBACK").await?;
    let rows = rows.map(|messages| {
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some(literals(row)),
            _ => None,
        };
        messages.iter().filter_map(row).collect::<Parameters>()
    });
    Ok(match rows {
        Ok(rows) if rows.is_empty() => Err("its query for parameters returns no rows".to_owned()),
        rows => rows,
    })
}

fn literals(row: &SimpleQueryRow) -> String {
    let literal = |column: usize| {
        row.get(column).map_or_else(|| "NULL".to_owned(), postgres_protocol::escape::escape_literal)
    };
    (0..row.len()).map(literal).collect::<Vec<_>>().join(",")
}

/// Executes the query of a budget. The inner error says why it cannot run.
///
/// # Errors
/// When the session is lost.
pub(super) async fn measure(
    client: &Client,
    budget: &Budget,
    parameters: &Parameters,
    caller: Option<&Caller>,
) -> Result<Result<Measurement, String>, Error> {
    let outcome = executions(client, budget, parameters, caller).await;
    ended(client, outcome, &budget.sql, "ROLLBACK;DEALLOCATE refit_budget").await
}

async fn executions(
    client: &Client,
    budget: &Budget,
    parameters: &Parameters,
    caller: Option<&Caller>,
) -> Result<Measurement, tokio_postgres::Error> {
    client.batch_execute_boxed(&begin(budget, caller)).await?;
    client.batch_execute_boxed(&format!("PREPARE refit_budget AS {}\n", budget.sql)).await?;
    let execute = |row: &str| match row {
        "" => "EXECUTE refit_budget".to_owned(),
        row => format!("EXECUTE refit_budget({row})"),
    };
    let first = parameters.first().map_or("", String::as_str);
    // The first execution fills caches, and is not measured.
    count(client, &execute(first)).await?;
    let (mut times, mut rows) = (Vec::new(), 0);
    for row in parameters.iter().cycle().take(usize::try_from(budget.runs).unwrap_or(usize::MAX)) {
        let began = Instant::now();
        rows += count(client, &execute(row)).await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let plan = client.simple_query_boxed(&format!("EXPLAIN (COSTS OFF) {}", execute(first))).await?;
    let lines = plan.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(Measurement {
        median: percentile(&times, 50),
        p95: percentile(&times, 95),
        rows,
        runs: budget.runs,
        plan: lines.collect::<Vec<_>>().join("\n"),
    })
}

/// SQL that begins the transaction. Each execution has a plan of its own, as the first ones of a service have.
fn begin(budget: &Budget, caller: Option<&Caller>) -> String {
    let settings = caller.map_or(String::new(), |caller| format!("SELECT {};", caller.settings(true)));
    format!(
        "BEGIN READ ONLY;{settings}SET LOCAL statement_timeout = {};SET LOCAL standard_conforming_strings = on;\
         SET LOCAL plan_cache_mode = force_custom_plan;",
        budget.timeout.as_millis()
    )
}

/// Executes a query and counts its rows, which are not kept.
async fn count(client: &Client, sql: &str) -> Result<u64, tokio_postgres::Error> {
    let mut messages = pin!(client.simple_query_raw(sql).await?);
    let mut rows = 0;
    while let Some(message) = messages.try_next().await? {
        rows += u64::from(matches!(message, SimpleQueryMessage::Row(_)));
    }
    Ok(rows)
}

/// Ends the transaction, and says why it failed if it did.
async fn ended<T>(
    client: &Client,
    outcome: Result<T, tokio_postgres::Error>,
    sql: &str,
    end: &str,
) -> Result<Result<T, String>, Error> {
    let end = client.batch_execute_boxed(end).await;
    match outcome {
        Err(error) if client.is_closed() => Err(Error::database("measuring a budget")(error)),
        // What was not prepared cannot be deallocated.
        Err(error) => Ok(Err(Secrets::of(sql).redact(&describe(&error)))),
        Ok(value) => end.map(|()| Ok(value)).map_err(Error::database("ending a measurement")),
    }
}

/// The time that a percentage of executions do not exceed: the nearest rank.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times: Vec<_> = (1..=20).map(Duration::from_millis).collect();
        let of = |percent| percentile(&times, percent).as_millis();
        assert_eq!((of(50), of(95), of(100)), (10, 19, 20));
        assert_eq!(percentile(&times[..1], 95).as_millis(), 1);
        assert_eq!(percentile(&[], 95), Duration::ZERO);
    }
}
