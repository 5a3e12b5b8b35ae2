//! Undo: a separate job restores the values that a backfill overwrote, with the same engine.
//!
//! The newest job of a version counts. The undo job is registered in the transaction that stops the forward job, so the direction
//! of the rows is known at every moment.

use refit_model::{BackfillDirective, Migration, Undo, Version};
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tracing::{info, warn};

use super::work::{Ended, POLL};
use crate::backfill::engine::begin::is_function;
use crate::backfill::engine::control::{Request, request_pinned};
use crate::backfill::engine::inserted::Deletion;
use crate::backfill::engine::job::Job;
use crate::backfill::engine::journal::restoration;
use crate::backfill::engine::names::{IS_CURRENT, follow_if_behind};
use crate::backfill::engine::shape::Shape;
use crate::error::Error;
use crate::error::UndoRefusal;
use crate::migrator::Migrator;
use crate::plan::UndoBackfill;
use crate::report::JobStatus;
use crate::state::State;

/// Attempts at getting the locks of a worker that is being stopped, two seconds each: a batch may last half a minute.
const PATIENCE: u32 = 60;

/// What happens to a backfill's rows when its migration is undone; the inner error says why it cannot be undone.
///
/// With `leave_rows`, the caller has decided that they stay as they are.
pub(crate) async fn plan_undo(
    client: &Client,
    state: &State,
    migration: &Migration,
    leave_rows: bool,
) -> Result<Result<UndoBackfill, UndoRefusal>, Error> {
    let keeps = migration.directives.backfill.as_ref().is_some_and(|directive| !directive.undo.is_empty());
    let gone = |why: &str| UndoRefusal::JournalGone {
        version: migration.version,
        path: migration.path.clone(),
        why: why.to_owned(),
    };
    if !leave_rows && !keeps && migration.down.is_none() {
        return Ok(Err(UndoRefusal::NoJournal {
            version: migration.version,
            path: migration.path.clone(),
            down: format!("{}.down.sql", migration.stem),
        }));
    }
    let job = match Job::of(client, state, migration.version).await? {
        Some(job) => job,
        None if leave_rows || !keeps => return Ok(Ok(UndoBackfill::Left)),
        None => {
            return Ok(Err(gone(
                "its job is not recorded in this database: another tool applied it, or another database",
            )));
        }
    };
    Ok(match &job.journal {
        _ if job.is_undo() && job.state == "complete" => Ok(UndoBackfill::Restored),
        _ if leave_rows => Ok(UndoBackfill::Left),
        Some(journal) => match size(client, state, journal).await? {
            Some((rows, bytes)) => {
                let (journal, begun) = (journal.clone(), job.is_undo());
                Ok(match migration.directives.backfill.as_ref().and_then(|it| it.undo.inserted()) {
                    Some(_) => UndoBackfill::Deletes { journal, rows, bytes, begun },
                    None => UndoBackfill::Restores { journal, rows, bytes, begun },
                })
            }
            None => Err(gone(&format!("{journal} was dropped"))),
        },
        None if !job.begun => Ok(UndoBackfill::NotBegun),
        None if keeps => Err(gone(
            "they were dropped at the end of `undo_retention` (refit.toml), counted from when the backfill was complete",
        )),
        None => Ok(UndoBackfill::Left),
    })
}

/// Rows in a journal, as its job counted them or the planner does, and its bytes; none when there is no such table.
async fn size(client: &Client, state: &State, journal: &str) -> Result<Option<(i64, i64)>, Error> {
    let sql = "SELECT pg_catalog.to_regclass($1) IS NOT NULL, pg_catalog.pg_total_relation_size(pg_catalog.to_regclass($1)), \
                   coalesce((SELECT pg_catalog.sum(rows_changed)::int8 FROM refit.backfill_range WHERE backfill_id = ( \
                       SELECT pg_catalog.min(id) FROM refit.backfill WHERE journal = $1 AND kind = 'forward')), 0) \
                   - coalesce((SELECT pg_catalog.sum(rows_changed)::int8 FROM refit.backfill_range WHERE backfill_id IN ( \
                       SELECT id FROM refit.backfill WHERE journal = $1 AND kind = 'undo')), 0)";
    let row = client.query_typed_one(&state.sql(sql), &[(&journal, Type::TEXT)]).await;
    let row = row.map_err(Error::database("reading the size of an undo journal"))?;
    Ok(row.get::<_, bool>(0).then(|| (row.get(2), row.get(1))))
}

/// Stops the version's job and registers its undo, unless that is done already; none when there is nothing to restore.
pub(crate) async fn register_undo(
    client: &Client,
    state: &State,
    version: Version,
    leave_rows: bool,
) -> Result<Option<Job>, Error> {
    let register = async || register_within(client, state, version, leave_rows).await;
    let Some(job) = with_lock_retries(client, "registering the undo of a backfill", register).await? else {
        return Ok(None);
    };
    // A worker that holds a range releases it with its current batch, or its token is out of date.
    let sql = "UPDATE refit.backfill_range SET token = token + 1, leased_until = NULL \
               WHERE NOT done AND backfill_id IN (SELECT id FROM refit.backfill WHERE version = $1 AND history_id = $2)";
    let sql = state.sql(sql);
    with_lock_retries(client, "ending the leases of a backfill", async || {
        let ended =
            client.execute_typed(&sql, &[(&version, Type::INT8), (&state.history(), Type::INT8)]).await;
        ended.map_err(Error::database("ending the leases of a backfill"))
    })
    .await?;
    let Some(journal) = &job.journal else { return Ok(None) };
    if job.state == "registered" {
        // Each batch joins the journal, which may never have been analyzed.
        let analyzed = client.batch_execute(&format!("ANALYZE {journal}")).await;
        analyzed.map_err(Error::database("analyzing an undo journal"))?;
    }
    Ok(Some(job))
}

/// Retries `work`, in a transaction with a short lock timeout each time, until it gets its locks.
async fn with_lock_retries<T>(
    client: &Client,
    what: &'static str,
    work: impl AsyncFn() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut attempts = 1;
    loop {
        let begin = "BEGIN; SET LOCAL lock_timeout = '2s'";
        client.batch_execute(begin).await.map_err(Error::database(what))?;
        let outcome = work().await;
        let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        client.batch_execute(end).await.map_err(Error::database(what))?;
        match outcome {
            Err(error) if error.sqlstate() == Some("55P03") && attempts < PATIENCE => {
                info!(attempts, "{what}: waiting for one of its batches");
                attempts += 1;
            }
            outcome => return outcome,
        }
    }
}

/// The undo job, registered in the current transaction.
async fn register_within(
    client: &Client,
    state: &State,
    version: Version,
    leave_rows: bool,
) -> Result<Option<Job>, Error> {
    let failed = || Error::database("registering the undo of a backfill");
    let lock = "SELECT FROM refit.backfill WHERE version = $1 AND history_id = $2 ORDER BY id DESC LIMIT 1 FOR UPDATE";
    let named: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&version, Type::INT8), (&state.history(), Type::INT8)];
    client.query_typed(&state.sql(lock), &named).await.map_err(failed())?;
    follow_if_behind(client, state).await?;
    let Some(job) = Job::of(client, state, version).await? else { return Ok(None) };
    if job.is_undo() && !leave_rows {
        match job.state.as_str() {
            "incomplete" => request_pinned(client, state, version, Request::Retry).await?,
            "failed" | "canceled" => request_pinned(client, state, version, Request::Resume).await?,
            _ => {}
        }
        return Ok(Some(job.again(client).await?));
    }
    if job.state != "complete" {
        let sql = "UPDATE refit.backfill SET requested = 'cancel', state = 'canceled', finished_at = pg_catalog.clock_timestamp(), \
                       throttle = NULL, journal = CASE WHEN kind = 'forward' THEN journal END WHERE id = $1";
        client.execute_typed(&state.sql(sql), &[(&job.id, Type::INT8)]).await.map_err(failed())?;
    }
    if job.is_undo() && job.state == "complete" {
        return Ok(Some(job));
    }
    register(client, &job, leave_rows).await.map(Some)
}

async fn register(client: &Client, forward: &Job, leave_rows: bool) -> Result<Job, Error> {
    let journal = forward.journal.as_ref().filter(|_| !leave_rows && !forward.is_undo());
    let deletes = forward.directive.undo.inserted().is_some();
    let deletion = match journal.filter(|_| deletes) {
        Some(journal) => Deletion::of(client, journal).await?,
        None => None,
    };
    // A journal without rows does not say which table it is for, and needs none.
    let journal = journal.filter(|_| deletion.is_some() || !deletes);
    let statement = match (journal, &deletion) {
        (Some(_), Some(deletion)) => deletion.statement.clone(),
        (Some(journal), None) => {
            let shape = Shape::of(&forward.statement, &forward.directive);
            let striped = shape.is_ok_and(|shape| shape.striped) && !is_function(forward);
            restoration(&forward.directive, journal, striped)
        }
        (None, _) => String::new(),
    };
    // The journal is Refit's and has the key as its primary key, so no scan needs to be allowed. A rollback holds the migration
    // lock, so it does not wait for a window.
    let directive = BackfillDirective {
        undo: Undo::default(),
        remaining: None,
        only: None,
        allow_scan: true,
        ..forward.directive.clone()
    };
    let own = deletion.is_some();
    let directive = match deletion {
        Some(Deletion { table, key, .. }) => BackfillDirective { table, key, strategy: None, ..directive },
        None => directive,
    };
    let table = directive.table.clone();
    let directive = serde_json::to_string(&directive).unwrap_or_default();
    let sql = "INSERT INTO refit.backfill (version, name, kind, statement, directive, journal, state, finished_at, \
                                           history_id, search_path, relation, relation_oid, schema_oid) \
               VALUES ($1, $2, 'undo', $3, $4, $5, CASE WHEN $5 IS NULL THEN 'complete' ELSE 'registered' END, \
                       CASE WHEN $5 IS NULL THEN pg_catalog.clock_timestamp() END, $6, $7, $8, \
                       CASE WHEN $10 THEN pg_catalog.to_regclass($8)::pg_catalog.oid ELSE (SELECT relation_oid FROM refit.backfill WHERE id = $9) END, \
                       CASE WHEN $10 THEN (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($8)) \
                            ELSE (SELECT schema_oid FROM refit.backfill WHERE id = $9) END)";
    let state = &forward.state_schema;
    client
        .execute_typed(
            &state.sql(sql),
            &[
                (&forward.version, Type::INT8),
                (&forward.name, Type::TEXT),
                (&statement, Type::TEXT),
                (&directive, Type::TEXT),
                (&journal, Type::TEXT),
                (&state.history(), Type::INT8),
                (&forward.search_path, Type::TEXT),
                (&table, Type::TEXT),
                (&forward.id, Type::INT8),
                (&own, Type::BOOL),
            ],
        )
        .await
        .map_err(Error::database("registering an undo"))?;
    match Job::of(client, state, forward.version).await? {
        Some(job) => Ok(job),
        None => Err(Error::Internal(format!("the undo of {} is not registered", forward.name))),
    }
}

impl Migrator {
    /// Runs an undo job until it ends. Waits while it is paused.
    pub(crate) async fn restore(&self, client: &Client, url: &str, job: &Job) -> Result<JobStatus, Error> {
        let mut reported = false;
        loop {
            follow_if_behind(client, &job.state_schema).await?;
            let now = job.again(client).await?;
            if now.requested == "pause" && (now.state == "running" || now.state == "registered") {
                if !reported {
                    warn!(backfill = job.name, "paused; waiting until it is resumed");
                }
                reported = true;
                self.pause(POLL, Some(job)).await?;
                continue;
            }
            if now.state == "canceled" {
                return Err(
                    job.failure("its rollback was canceled: run `cargo xtask rollback` again to resume it")
                );
            }
            match self.job(client, url, &now).await? {
                Ended::Complete => break,
                Ended::Stopped => {}
                Ended::Failed(reason) => {
                    return Err(job.failure(format!(
                        "some rows are not restored: {reason}; then run the rollback again to resume"
                    )));
                }
            }
        }
        follow_if_behind(client, &job.state_schema).await?;
        remove_deleted(client, &job.again(client).await?).await?;
        match JobStatus::of_job(client, job).await? {
            Some(status) => Ok(status),
            None => Err(job.failure("its undo is no longer registered")),
        }
    }
}

/// Fails when the undo of a backfill is incomplete: its gate stays closed, and only a rollback can continue.
pub(super) async fn require_no_unfinished_undo(client: &Client, state: &State) -> Result<(), Error> {
    match Job::unfinished_undo(client, state).await? {
        Some(job) => {
            let reason = "it is being rolled back, or its rollback was interrupted: finish it with `cargo xtask rollback`; the next \
                          migrate applies it again";
            Err(job.failure(reason))
        }
        None => Ok(()),
    }
}

/// Removes journal rows whose row was deleted: these do not count as changed since.
async fn remove_deleted(client: &Client, job: &Job) -> Result<(), Error> {
    let Some(journal) = &job.journal else { return Ok(()) };
    let same: Vec<String> = job
        .directive
        .key
        .iter()
        .map(|column| format!("t.{0} = j.{0}", crate::backfill::engine::key::quoted(column)))
        .collect();
    let sql = format!(
        "DELETE FROM {journal} AS j WHERE NOT EXISTS (SELECT FROM {} AS t WHERE {}) \
             AND (SELECT {IS_CURRENT} FROM {}.backfill WHERE id = $1)",
        job.directive.table,
        same.join(" AND "),
        job.state_schema.quoted(),
    );
    let gone = client.execute_typed(&sql, &[(&job.id, Type::INT8)]).await;
    let gone = gone.map_err(Error::database("removing deleted rows from an undo journal"))?;
    if gone > 0 {
        info!(
            backfill = job.name,
            rows = gone,
            "rows that were deleted since, or whose key changed, are not restored"
        );
    }
    Ok(())
}
