//! Finishing a job: rows that came behind the cursor are found and done, until none is left.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::begin::insert;
use super::cut::{Piece, ends};
use super::facts;
use super::job::Job;
use super::key::KeyColumns;
use super::worker::pinned;
use crate::error::Error;

/// Sweeps at most: rows that come faster are not the sweep's to catch.
const PASSES: i32 = 20;

/// How finishing came out.
pub(crate) enum Finished {
    /// The job is at its end: complete, or incomplete with a reason.
    Ended,
    /// There is a sweep to do.
    Again,
    /// Another process sees to it, or ranges are still at work.
    Elsewhere,
}

/// Looks whether all is done, and ends the job or begins a sweep; in one transaction.
pub(crate) async fn finish(client: &Client, job: &Job) -> Result<Finished, Error> {
    let failed = || Error::database("finishing a backfill");
    let begin = format!("BEGIN; SET LOCAL lock_timeout = '5s'; {}", pinned("SET LOCAL"));
    client.batch_execute(&begin).await.map_err(failed())?;
    let outcome = finishing(client, job).await;
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await.map_err(failed())?;
    outcome
}

async fn finishing(client: &Client, job: &Job) -> Result<Finished, Error> {
    let failed = || Error::database("finishing a backfill");
    let sql = "SELECT pass FROM refit.backfill b WHERE id = $1 AND state = 'running' AND wanted = 'run' AND NOT EXISTS ( \
                   SELECT FROM refit.backfill_range WHERE backfill_id = b.id AND NOT done) FOR NO KEY UPDATE SKIP LOCKED";
    let rows = client.query_typed(sql, &[(&job.id, Type::INT8)]).await.map_err(failed())?;
    let Some(row) = rows.first() else { return Ok(Finished::Elsewhere) };
    let pass: i32 = row.get(0);
    let sql = "SELECT (SELECT count(*) FROM refit.backfill_error WHERE backfill_id = $1 AND resolved_at IS NULL), \
                      (SELECT coalesce(sum(rows_changed), 0)::int8 FROM refit.backfill_range WHERE backfill_id = $1 AND pass = $2)";
    let row =
        client.query_typed_one(sql, &[(&job.id, Type::INT8), (&pass, Type::INT4)]).await.map_err(failed())?;
    let (errors, changed): (i64, i64) = (row.get(0), row.get(1));
    if let Some(remaining) = &job.remaining {
        let (left, pieces) = left(client, job, remaining).await?;
        if left > errors {
            let stuck = pass > 0 && changed == 0;
            if stuck || pass >= PASSES {
                let why = if stuck {
                    format!(
                        "{left} rows still meet `{remaining}` although the statement ran over them: does it set what the condition asks for?"
                    )
                } else {
                    format!(
                        "{left} rows meet `{remaining}` after {pass} sweeps: they come as fast as they are done; let new rows come complete (a default or a trigger), then retry"
                    )
                };
                job.end(client, "incomplete", Some(&why)).await?;
                return Ok(Finished::Ended);
            }
            insert(client, job.id, pass + 1, &pieces).await?;
            let sql = "UPDATE refit.backfill SET pass = pass + 1 WHERE id = $1";
            client.execute_typed(sql, &[(&job.id, Type::INT8)]).await.map_err(failed())?;
            return Ok(Finished::Again);
        }
    }
    if errors > 0 {
        let rows = if errors == 1 { "row" } else { "rows" };
        let why = format!(
            "{errors} {rows} could not be changed: see `backfill status`, mend them, then `backfill retry`"
        );
        job.end(client, "incomplete", Some(&why)).await?;
    } else {
        job.end(client, "complete", None).await?;
    }
    Ok(Finished::Ended)
}

/// How many rows are left, and ranges in which they are.
async fn left(client: &Client, job: &Job, remaining: &str) -> Result<(i64, Vec<Piece>), Error> {
    let table = facts::leaves(client, &job.directive).await?.map_err(|reason| job.failure(reason))?;
    let key = KeyColumns::new(&job.directive.key);
    let (mut total, mut pieces) = (0, Vec::new());
    for leaf in &table.leaves {
        let sql = format!("SELECT count(*) FROM {} WHERE {remaining}", leaf.name);
        let row = client.query_typed_one(&sql, &[]).await;
        let count: i64 = row.map_err(Error::database("looking for rows that remain"))?.get(0);
        if count == 0 {
            continue;
        }
        total += count;
        if !job.directive.walks_heap() {
            leaf.check_key(client, &job.directive.key).await?.map_err(|reason| job.failure(reason))?;
        }
        if let Some((lower, last)) = ends(client, leaf, &key, remaining).await? {
            pieces.push(Piece {
                relation: leaf.name.clone(),
                lower,
                closed: true,
                windows: vec![last],
                stripes: 1,
                rows: u64::try_from(count).unwrap_or(0),
            });
        }
    }
    Ok((total, pieces))
}
