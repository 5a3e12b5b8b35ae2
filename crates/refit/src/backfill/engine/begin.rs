//! Begins a job: reads the facts about table and statement, chooses the strategy, and cuts the ranges.

use refit_model::split_statements;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tracing::info;

use super::changes;
use super::cut::{Piece, bound, bound_sql, cut};
use super::facts::{self, Table};
use super::failure_class::FailureClass;
use super::inspect;
use super::job::Job;
use super::journal;
use super::key::{Key, KeyColumns};
use super::lease::{Lease, Place};
use super::names::IS_CURRENT;
use super::path::{self, under};
use super::shape::{Shape, targets};
use super::strategy::{Choice, Horizon, choose};
use super::throttle::signals;
use super::worker::pinned;
use crate::error::Error;

/// Begins a transaction without the role's own time limits, in which keys have the same text form as in workers' sessions.
pub(super) fn opening() -> String {
    format!("BEGIN; SET LOCAL lock_timeout = '5s'; {}{}", pinned("SET LOCAL"), crate::pin::pin_local_sql())
}

/// The outcome of beginning a job.
pub(crate) enum Began {
    /// It is running now.
    Running,
    /// Another process is beginning it or has begun it.
    Elsewhere,
    /// It cannot run, and is recorded as failed.
    Refused(String),
}

/// Whether the job is a Rust function.
pub(crate) fn is_function(job: &Job) -> bool {
    split_statements(&job.statement).is_empty()
}

/// Begins a registered job, in one transaction.
pub(crate) async fn begin(client: &Client, job: &Job) -> Result<Began, Error> {
    let failed = || Error::database("beginning a backfill");
    client.batch_execute(&opening()).await.map_err(failed())?;
    let outcome = begun(client, job).await;
    match outcome {
        Ok(Began::Running) => {
            client.batch_execute("COMMIT").await.map_err(failed())?;
            Ok(Began::Running)
        }
        other => {
            client.batch_execute("ROLLBACK").await.map_err(failed())?;
            // If checking a plan failed, the statement is still prepared.
            client.batch_execute("DEALLOCATE refit_backfill_plan").await.ok();
            let reason = match other {
                Ok(Began::Refused(reason)) => reason,
                // An error of the job itself would recur in any session, so the job fails.
                Err(error)
                    if matches!(
                        FailureClass::of_error(&error),
                        Some(FailureClass::Fatal | FailureClass::BadRow)
                    ) =>
                {
                    error.message()
                }
                other => return other,
            };
            let reason = job.redact(&reason);
            job.end(client, "failed", Some(&reason)).await?;
            Ok(Began::Refused(reason))
        }
    }
}

async fn begun(client: &Client, job: &Job) -> Result<Began, Error> {
    let sql = format!(
        "SELECT FROM refit.backfill WHERE id = $1 AND state = 'registered' AND {IS_CURRENT} FOR NO KEY UPDATE SKIP LOCKED"
    );
    let mine = client.query_typed(&job.sql(&sql), &[(&job.id, Type::INT8)]).await;
    if mine.map_err(Error::database("beginning a backfill"))?.is_empty() {
        return Ok(Began::Elsewhere);
    }
    let directive = &job.directive;
    let shape = match is_function(job) {
        true => None,
        false => match Shape::read(client, job).await? {
            Ok(shape) => Some(shape),
            Err(reason) => return Ok(Began::Refused(reason)),
        },
    };
    let Survey { table, choice, pieces } = match survey(client, job, shape.as_ref()).await? {
        Ok(survey) => survey,
        Err(reason) => return Ok(Began::Refused(reason)),
    };
    if let (Some(shape), Some(piece)) = (&shape, pieces.first())
        && let Err(reason) = under(client, job, check_plans(client, job, shape, piece)).await?
    {
        return Ok(Began::Refused(reason));
    }
    let guard = shape.as_ref().and_then(|shape| shape.parts.iter().find_map(|part| part.guard.clone()));
    let remaining = directive.remaining.clone().or(guard);
    let targets = match &shape {
        Some(shape) => Some(targets(client, job, shape).await?),
        None => None,
    };
    let keeps =
        if directive.undo.is_empty() { None } else { Some(journal::create(job, &table, shape.as_ref())) };
    record(client, job, (&table, keeps), &choice, (remaining.as_deref(), targets), &pieces).await?;
    info!(
        backfill = job.name,
        strategy = choice.strategy.as_str(),
        reason = choice.reason,
        ranges = pieces.len(),
        "begun"
    );
    Ok(Began::Running)
}

/// The facts about a job's table before it begins, and the strategy.
pub(super) struct Survey {
    pub(super) table: Table,
    pub(super) choice: Choice,
    pub(super) pieces: Vec<Piece>,
}

/// Reads the facts that beginning the job needs. Changes nothing.
///
/// # Errors
/// The inner one is the message why the job cannot run.
pub(super) async fn survey(
    client: &Client,
    job: &Job,
    shape: Option<&Shape>,
) -> Result<Result<Survey, String>, Error> {
    let directive = &job.directive;
    let sets = match changes::written(client, job, shape).await? {
        Ok(sets) => sets,
        Err(reason) => return Ok(Err(reason)),
    };
    let table = match facts::read(client, directive, &sets).await? {
        Ok(table) => table,
        Err(reason) => return Ok(Err(reason)),
    };
    let against = match reject_reason(job, shape, &table) {
        None => journal::reject_reason(client, job, shape, &table).await?,
        reason => reason,
    };
    let against = match against {
        None => changes::reject_reason(client, directive, shape, &table).await?,
        reason => reason,
    };
    let against = match against {
        None => invalid_query(client, job, &table).await?,
        reason => reason,
    };
    if let Some(reason) = against {
        return Ok(Err(reason));
    }
    let choice = choose(directive, shape, &table, &Horizon::read(client).await?);
    let mut pieces = Vec::new();
    for leaf in &table.leaves {
        pieces.extend(cut(client, leaf, &choice, directive).await?);
    }
    Ok(Ok(Survey { table, choice, pieces }))
}

/// Why the job cannot run, apart from facts about the table.
fn reject_reason(job: &Job, shape: Option<&Shape>, table: &Table) -> Option<String> {
    if table.partitioned && shape.is_some_and(|shape| !shape.can_be_restricted()) {
        return Some(format!(
            "{} is partitioned, and batches run on one partition at a time: write an UPDATE or DELETE of it, or a backfill for \
             each",
            table.name
        ));
    }
    let guarded = shape.is_some_and(|shape| shape.parts.iter().all(|part| part.guard.is_some()));
    if job.directive.walks_heap() && !guarded {
        return Some(
            "a heap walk may visit a row twice: add a condition `column IS NULL` on a column that the statement sets".to_owned(),
        );
    }
    if !job.directive.undo.columns().is_empty() && job.directive.walks_heap() {
        return Some("`undo` needs a stable key, and `ctid` changes: name another key".to_owned());
    }
    None
}

/// What is wrong with the directive itself: the server would report it at the end of the work, or never.
async fn invalid_query(client: &Client, job: &Job, table: &Table) -> Result<Option<String>, Error> {
    let directive = &job.directive;
    if let Some(remaining) = &directive.remaining {
        let relation = table.leaves.first().map_or(&table.name, |leaf| &leaf.name);
        let sql = format!("EXPLAIN SELECT pg_catalog.count(*) FROM ONLY {relation} WHERE ({remaining})");
        let asked = client.simple_query(&format!("{}{sql};{}", path::enter(job), path::LEAVE)).await;
        if let Some(query_error) = query_error(asked.map_err(Error::database("checking `remaining`")))? {
            return Ok(Some(query_error));
        }
    }
    query_error(signals::try_own(client, job).await)
}

/// The server's message about a faulty SQL text; none for failures that are not the text's.
fn query_error<T>(asked: Result<T, Error>) -> Result<Option<String>, Error> {
    match asked {
        Ok(_) => Ok(None),
        Err(error)
            if error
                .sqlstate()
                .filter(|code| *code != "42501")
                .is_some_and(|code| ["0A", "22", "42"].iter().any(|class| code.starts_with(class))) =>
        {
            Ok(Some(error.message()))
        }
        Err(error) => Err(error),
    }
}

/// Checks the plan of the first batch of each statement.
pub(super) async fn check_plans(
    client: &Client,
    job: &Job,
    shape: &Shape,
    piece: &Piece,
) -> Result<Result<(), String>, Error> {
    let lease = Lease::of(piece);
    let Some(place) = lease.place() else { return Ok(Ok(())) };
    let end = first_end(client, job, &lease, &place).await?;
    for part in &shape.parts {
        let text = part.text(&lease.relation, place.closed);
        let values = lease.parameters(&place, &end, part.parameters);
        if job.directive.allow_scan {
            client.prepare(&text).await.map_err(Error::database("preparing a batch"))?;
        } else if let Err(reason) = inspect::check(client, &text, &values, job.directive.batch).await? {
            return Ok(Err(reason));
        }
    }
    Ok(Ok(()))
}

async fn first_end(client: &Client, job: &Job, lease: &Lease, place: &Place) -> Result<Key, Error> {
    if job.directive.walks_heap() {
        return Ok(place.last.clone());
    }
    let failed = || Error::database("looking for the first batch");
    let sql = bound_sql(&lease.relation, &KeyColumns::new(&job.directive.key), None, place.closed);
    let statement = client.prepare(&sql).await.map_err(failed())?;
    let end = bound(client, &statement, place, job.directive.batch).await.map_err(failed())?;
    Ok(end.unwrap_or_else(|| place.last.clone()))
}

/// Records the ranges, and the job as running.
async fn record(
    client: &Client,
    job: &Job,
    (table, keeps): (&Table, Option<String>),
    choice: &Choice,
    (remaining, targets): (Option<&str>, Option<Vec<u32>>),
    pieces: &[Piece],
) -> Result<(), Error> {
    insert(client, job, 0, pieces).await?;
    let journal = if keeps.is_some() { Some(journal::table_of(job)) } else { job.journal.clone() };
    if let Some(sql) = keeps {
        client.batch_execute(&sql).await.map_err(Error::database("creating the undo journal"))?;
    }
    let rows = i64::try_from(table.rows()).unwrap_or(i64::MAX);
    // An undo restores the rows of the journal, which has no newer rows.
    let unswept = remaining.is_none() && !job.is_undo();
    let reason = match unswept {
        true => format!(
            "{}; no closing sweep: no condition finds rows written while the backfill ran",
            choice.reason
        ),
        false => choice.reason.clone(),
    };
    let sql = "UPDATE refit.backfill SET state = 'running', strategy = $2, reason = $3, remaining = $4, rows_estimated = $5, \
                   journal = $6, targets = $7, error = NULL, started_at = pg_catalog.clock_timestamp() WHERE id = $1";
    client
        .execute_typed(
            &job.sql(sql),
            &[
                (&job.id, Type::INT8),
                (&choice.strategy.as_str(), Type::TEXT),
                (&reason, Type::TEXT),
                (&remaining, Type::TEXT),
                (&rows, Type::INT8),
                (&journal, Type::TEXT),
                (&targets, Type::OID_ARRAY),
            ],
        )
        .await
        .map_err(Error::database("beginning a backfill"))?;
    Ok(())
}

/// Records the ranges of a pass.
pub(crate) async fn insert(client: &Client, job: &Job, pass: i32, pieces: &[Piece]) -> Result<(), Error> {
    let sql = "INSERT INTO refit.backfill_range (backfill_id, pass, relation, lower, lower_closed, windows, stripes, rows_estimated, relation_oid) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, pg_catalog.to_regclass($3)::pg_catalog.oid)";
    let statement = client.prepare(&job.sql(sql)).await.map_err(Error::database("writing the ranges"))?;
    for piece in pieces {
        let windows = serde_json::to_string(&piece.windows).unwrap_or_default();
        let stripes = i32::try_from(piece.stripes).unwrap_or(1);
        let rows = i64::try_from(piece.rows).unwrap_or(i64::MAX);
        client
            .execute(
                &statement,
                &[&job.id, &pass, &piece.relation, &piece.lower, &piece.closed, &windows, &stripes, &rows],
            )
            .await
            .map_err(Error::database("writing the ranges"))?;
    }
    Ok(())
}
