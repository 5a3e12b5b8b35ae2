//! Finishes a job: sweeps change rows that were written behind the cursor, until none is left.

use refit_model::Check;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::begin::{insert, opening};
use super::cut::{Piece, ends};
use super::facts;
use super::failure_class::FailureClass;
use super::job::Job;
use super::key::{Key, KeyColumns, key_of};
use super::names::IS_CURRENT;
use super::path::under;
use crate::check::{Occasion, Surroundings, failures, record, run, warnings};
use crate::error::Error;
use crate::queries::Queries;
use crate::report::CheckResult;

/// Maximum sweeps since the job began or was resumed: rows that are written faster than that need another solution.
const PASSES: i32 = 20;
/// How many keys of remaining rows a message names.
const NAMED: usize = 3;

/// The outcome of finishing.
pub(crate) enum Finished {
    /// The job has ended: complete, or incomplete with a reason.
    Ended,
    /// A sweep has begun.
    Again,
    /// Another process is finishing it, or ranges are not done.
    Elsewhere,
}

/// What to do next.
enum Verdict {
    End(&'static str, Option<String>),
    Sweep(Vec<Piece>),
}

/// Rows that meet the condition.
struct Left {
    rows: i64,
    /// The ranges that contain them, one for each table.
    pieces: Vec<Piece>,
    /// The first keys of those that are not set aside.
    first: Vec<Key>,
}

/// Checks whether all rows are done, and ends the job or begins a sweep, in one transaction.
///
/// Before it ends as complete, `checks` run, and `results` gets what they found; if one fails the job is incomplete, so that its
/// gate stays closed.
pub(crate) async fn finish(
    client: &Client,
    job: &Job,
    checks: &[&Check],
    results: &mut Vec<CheckResult>,
) -> Result<Finished, Error> {
    let failed = || Error::database("finishing a backfill");
    client.batch_execute_boxed(&opening()).await.map_err(failed())?;
    let outcome = finishing(client, job, checks, results).await;
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute_boxed(end).await.map_err(failed())?;
    let reason = match outcome {
        Err(Error::Backfill { reason, .. }) => reason,
        // An error of the job itself fails it. A missing privilege does not: another role may have it.
        Err(error)
            if matches!(FailureClass::of_error(&error), Some(FailureClass::Fatal | FailureClass::BadRow)) =>
        {
            error.message()
        }
        outcome => return outcome,
    };
    job.end(client, "failed", Some(&reason)).await?;
    Ok(Finished::Ended)
}

async fn finishing(
    client: &Client,
    job: &Job,
    checks: &[&Check],
    results: &mut Vec<CheckResult>,
) -> Result<Finished, Error> {
    let failed = || Error::database("finishing a backfill");
    // The check may take minutes, so it holds an advisory lock, not the job's row: pausing the job need not wait for it.
    let sql = format!(
        "SELECT pass FROM refit.backfill b WHERE id = $1 AND state = 'running' AND requested = 'run' AND {IS_CURRENT} AND NOT EXISTS ( \
                   SELECT FROM refit.backfill_range WHERE backfill_id = b.id AND NOT done) \
                 AND pg_catalog.pg_try_advisory_xact_lock('refit.backfill'::regclass::oid::int4, ($1 % 2147483647)::int4)"
    );
    let rows = client.query_boxed(&job.sql(&sql), &[(&job.id, Type::INT8)]).await.map_err(failed())?;
    let Some(row) = rows.first() else { return Ok(Finished::Elsewhere) };
    let pass: i32 = row.get(0);
    let verdict = match judge(client, job, pass).await? {
        Verdict::End("complete", None) => checked(client, job, checks, results).await?,
        verdict => verdict,
    };
    let sql = format!(
        "SELECT FROM refit.backfill WHERE id = $1 AND state = 'running' AND requested = 'run' AND pass = $2 AND {IS_CURRENT} FOR NO KEY UPDATE"
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&job.id, Type::INT8), (&pass, Type::INT4)];
    if client.query_boxed(&job.sql(&sql), &parameters).await.map_err(failed())?.is_empty() {
        return Ok(Finished::Elsewhere);
    }
    match verdict {
        Verdict::End(state, reason) => {
            job.end(client, state, reason.as_deref()).await?;
            Ok(Finished::Ended)
        }
        Verdict::Sweep(pieces) => {
            insert(client, job, pass + 1, &pieces).await?;
            let sql = "UPDATE refit.backfill SET pass = pass + 1 WHERE id = $1";
            client.execute_boxed(&job.sql(sql), &[(&job.id, Type::INT8)]).await.map_err(failed())?;
            Ok(Finished::Again)
        }
    }
}

/// Decides what to do next. Changes nothing.
async fn judge(client: &Client, job: &Job, pass: i32) -> Result<Verdict, Error> {
    let sql =
        "SELECT pg_catalog.count(*) FROM refit.backfill_error WHERE backfill_id = $1 AND resolved_at IS NULL";
    let row = client.query_one_boxed(&job.sql(sql), &[(&job.id, Type::INT8)]).await;
    let errors: i64 = row.map_err(Error::database("counting the rows that failed"))?.get(0);
    if let Some(remaining) = &job.remaining {
        let left = left(client, job, remaining).await?;
        if left.rows > errors {
            let (rows, keys) = (left.rows, named(&left.first));
            let stands = pass > 0 && is_stuck(client, job, pass, &left).await?;
            let why = if stands {
                format!(
                    "{rows} rows still meet `{remaining}` after the statement ran on them: check that it sets what the condition \
                     tests. The first: {keys}"
                )
            } else if pass >= PASSES {
                format!(
                    "{rows} rows meet `{remaining}` after {pass} sweeps: they are written as fast as they are done; make new \
                     rows complete (a default or a trigger), then run `backfill retry`. The first: {keys}"
                )
            } else {
                return Ok(Verdict::Sweep(left.pieces));
            };
            return Ok(Verdict::End("incomplete", Some(why)));
        }
    }
    if errors > 0 {
        let why = match errors {
            1 => "1 row failed and was set aside; fix it, then run `backfill retry`".to_owned(),
            _ => format!("{errors} rows failed and were set aside; fix them, then run `backfill retry`"),
        };
        return Ok(Verdict::End("incomplete", Some(why)));
    }
    Ok(Verdict::End("complete", None))
}

/// Runs the checks of a backfill that has no rows left, and records what they found.
async fn checked(
    client: &Client,
    job: &Job,
    checks: &[&Check],
    results: &mut Vec<CheckResult>,
) -> Result<Verdict, Error> {
    if checks.is_empty() {
        return Ok(Verdict::End("complete", None));
    }
    let surroundings = Surroundings::within(&job.search_path);
    for check in checks {
        results.push(run(client, check, &surroundings).await?);
    }
    let run = job.registered_by(client).await?;
    record(client, &job.state_schema, run, Occasion::Backfill, results).await?;
    for warning in warnings(results) {
        tracing::warn!(backfill = job.name, "{warning}");
    }
    let failed = failures(results);
    Ok(match failed.is_empty() {
        true => Verdict::End("complete", None),
        false => Verdict::End(
            "incomplete",
            Some(format!(
                "all rows are done, but a check fails: {}; correct the rows, then run `backfill retry`",
                failed.join("; ")
            )),
        ),
    })
}

fn named(keys: &[Key]) -> String {
    keys.iter().map(|key| format!("({})", key.join(", "))).collect::<Vec<_>>().join(" ")
}

/// Whether the last sweep changed nothing, or left as many rows as it found, including the first one.
async fn is_stuck(client: &Client, job: &Job, pass: i32, left: &Left) -> Result<bool, Error> {
    let sql = "SELECT relation, lower, rows_estimated, rows_changed FROM refit.backfill_range WHERE backfill_id = $1 AND pass = $2";
    let swept = client.query_boxed(&job.sql(sql), &[(&job.id, Type::INT8), (&pass, Type::INT4)]).await;
    let swept = swept.map_err(Error::database("reading the last sweep"))?;
    let sum = |column: usize| swept.iter().map(|row| row.get::<_, i64>(column)).sum::<i64>();
    let (found, changed) = (sum(2), sum(3));
    let is_there = |row: &Row| {
        left.pieces
            .iter()
            .any(|piece| piece.relation == row.get::<_, String>(0) && piece.lower == row.get::<_, Key>(1))
    };
    Ok(changed == 0 || (left.rows >= found && swept.iter().any(is_there)))
}

/// Counts the remaining rows, by table.
async fn left(client: &Client, job: &Job, remaining: &str) -> Result<Left, Error> {
    let table = facts::leaves(client, &job.directive).await?.map_err(|reason| job.failure(reason))?;
    let key = KeyColumns::new(&job.directive.key);
    let mut left = Left { rows: 0, pieces: Vec::new(), first: Vec::new() };
    for leaf in &table.leaves {
        let sql = format!("SELECT pg_catalog.count(*) FROM ONLY {} WHERE {remaining}", leaf.name);
        let counted = under(client, job, async {
            let row = client.query_one_boxed(&sql, &[]).await;
            Ok(row.map_err(Error::database("counting the remaining rows"))?.get(0))
        });
        let count: i64 = counted.await?;
        if count == 0 {
            continue;
        }
        left.rows += count;
        if !job.directive.walks_heap() {
            leaf.check_key(client, &job.directive.key).await?.map_err(|reason| job.failure(reason))?;
        }
        let first = under(client, job, first(client, job, &leaf.name, &key, remaining)).await?;
        let ends = under(client, job, ends(client, leaf, &key, remaining)).await?;
        if let (Some(lower), Some((_, last))) = (first.first(), ends) {
            left.pieces.push(Piece {
                relation: leaf.name.clone(),
                lower: lower.clone(),
                closed: true,
                windows: vec![last],
                stripes: 1,
                rows: u64::try_from(count).unwrap_or(0),
            });
            left.first.extend(first);
            left.first.truncate(NAMED);
        }
    }
    Ok(left)
}

/// The first keys of remaining rows that are not set aside.
async fn first(
    client: &Client,
    job: &Job,
    relation: &str,
    key: &KeyColumns,
    remaining: &str,
) -> Result<Vec<Key>, Error> {
    let sql = format!(
        "SELECT {} FROM ONLY {relation} WHERE ({remaining}) AND NOT EXISTS ( \
             SELECT FROM {}.backfill_error e WHERE e.backfill_id OPERATOR(pg_catalog.=) $1 \
                 AND e.relation OPERATOR(pg_catalog.=) $2 AND e.resolved_at IS NULL AND e.key OPERATOR(pg_catalog.=) {}) \
         ORDER BY {} LIMIT {NAMED}",
        key.texts(),
        job.state_schema.quoted(),
        key.array(),
        key.list()
    );
    let rows = client.query_boxed(&sql, &[(&job.id, Type::INT8), (&relation, Type::TEXT)]).await;
    Ok(rows.map_err(Error::database("counting the remaining rows"))?.iter().map(key_of).collect())
}
