//! Running one check, in a read-only transaction or subtransaction that is rolled back.

use std::time::Instant;

use refit_model::Check;
use refit_model::redact::Secrets;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::verdict::{Judgement, Reading};
use crate::error::{Error, describe};
use crate::pin::local_search_path;
use crate::queries::Queries;
use crate::report::{CheckResult, Verdict};

/// Rows that are fetched at once if each has to be looked at.
const PORTION: u32 = 1_000;

/// What a check runs in: SQL before and after it.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    begin: String,
    end: &'static str,
}

impl Surroundings {
    /// A transaction of its own, on a session with the caller's settings.
    pub(crate) fn own() -> Surroundings {
        Surroundings { begin: "BEGIN READ ONLY;".to_owned(), end: "ROLLBACK" }
    }

    /// A transaction of its own, on the pinned session of a run: with the search path of the caller.
    pub(crate) fn of_run(search_path: &str) -> Surroundings {
        Surroundings { begin: format!("BEGIN READ ONLY;{}", local_search_path(search_path)), end: "ROLLBACK" }
    }

    /// An open transaction of Refit's own.
    pub(crate) fn within(search_path: &str) -> Surroundings {
        Surroundings::of_step("", search_path)
    }

    /// The open transaction of a step, where the text may have set another role and search path. `as_before` restores the role.
    pub(crate) fn of_step(as_before: &str, search_path: &str) -> Surroundings {
        let path = local_search_path(search_path);
        Surroundings {
            begin: format!("SAVEPOINT refit_check;{as_before}SET LOCAL transaction_read_only = on;{path}"),
            end: "ROLLBACK TO SAVEPOINT refit_check;RELEASE SAVEPOINT refit_check",
        }
    }
}

/// Runs a check. What the server says against it is a part of the result.
///
/// # Errors
/// When the session is lost.
pub(crate) async fn run(
    client: &Client,
    check: &Check,
    surroundings: &Surroundings,
) -> Result<CheckResult, Error> {
    let began = Instant::now();
    let mut result = CheckResult {
        name: check.name.clone(),
        path: check.path.clone(),
        line: check.position.line,
        verdict: Verdict::Failed,
        rows: 0,
        columns: Vec::new(),
        first_rows: Vec::new(),
        counts: None,
        error: None,
        duration: began.elapsed(),
    };
    let outcome = rows(client, check, &surroundings.begin, &mut result).await;
    let ended = client.batch_execute_boxed(surroundings.end).await;
    if let Err(error) = outcome {
        if client.is_closed() {
            return Err(Error::database("running a check")(error));
        }
        result.verdict = Verdict::Failed;
        result.error = Some(Secrets::of(&check.sql).redact(&describe(&error)));
    }
    ended.map_err(Error::database("ending a check"))?;
    result.duration = began.elapsed();
    Ok(result)
}

/// Reads the rows through a cursor: a check may return millions of them.
async fn rows(
    client: &Client,
    check: &Check,
    begin: &str,
    result: &mut CheckResult,
) -> Result<(), tokio_postgres::Error> {
    // The text was split with this setting of strings. Rows that row security hides are an error.
    let declare = format!(
        "{begin}SET LOCAL statement_timeout = {};SET LOCAL standard_conforming_strings = on;SET LOCAL row_security = off;\
         DECLARE refit_check NO SCROLL CURSOR FOR {}\n",
        check.timeout.as_millis(),
        check.sql
    );
    client.batch_execute_boxed(&declare).await?;
    let first = fetch(client, check.show.max(1), result).await?;
    let reading = Reading::of(&result.columns);
    let mut judgement = Judgement::default();
    first.iter().for_each(|row| judgement.add(check, reading, row));
    result.first_rows = first;
    result.first_rows.truncate(usize::try_from(check.show).unwrap_or(usize::MAX));
    match reading {
        Reading::Violations => judgement.rows += skip(client).await?,
        Reading::Counts(..) | Reading::Status(_) => loop {
            let rows = fetch(client, PORTION, result).await?;
            if rows.is_empty() {
                break;
            }
            rows.iter().for_each(|row| judgement.add(check, reading, row));
        },
    }
    result.verdict = judgement.verdict(check, reading);
    (result.rows, result.counts, result.error) = (judgement.rows, judgement.counts, judgement.error);
    Ok(())
}

/// The next rows; their columns are entered in the result.
async fn fetch(
    client: &Client,
    count: u32,
    result: &mut CheckResult,
) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
    let messages = client.simple_query_boxed(&format!("FETCH FORWARD {count} FROM refit_check")).await?;
    let mut rows = Vec::new();
    for message in &messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                result.columns = columns.iter().map(|column| column.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(row) => rows.push(values(row)),
            _ => {}
        }
    }
    Ok(rows)
}

fn values(row: &SimpleQueryRow) -> Vec<Option<String>> {
    (0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()
}

/// Skips the rows that are left, and returns how many there were.
async fn skip(client: &Client) -> Result<u64, tokio_postgres::Error> {
    let messages = client.simple_query_boxed("MOVE FORWARD ALL IN refit_check").await?;
    let counts = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::CommandComplete(count) => Some(*count),
        _ => None,
    });
    Ok(counts.sum())
}
