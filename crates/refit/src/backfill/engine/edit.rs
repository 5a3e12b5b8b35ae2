//! Changes to registered jobs that an operator asks for: an edit of the migration's file that was accepted, and jobs that are not
//! recorded in the database.

use refit_model::{Migration, MigrationSet, Version};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::job::{Job, registration};
use super::shape::Shape;
use crate::error::Error;
use crate::pin::local_search_path;
use crate::queries::Queries;
use crate::state::State;

/// Makes the job of a migration whose edit was accepted run the new text, in the transaction at hand.
///
/// A job that has begun keeps its ranges: the statement may change; its table, its key and its stripes may not. A job that is
/// complete or rolled back is not changed.
pub(crate) async fn accept_edit(client: &Client, state: &State, migration: &Migration) -> Result<(), Error> {
    let Some(job) = Job::of(client, state, migration.version).await? else { return Ok(()) };
    let Some(directive) = &migration.directives.backfill else { return Ok(()) };
    if job.is_undo() || job.state == "complete" {
        return Ok(());
    }
    let written = written_directive(client, &job).await?;
    // The job keeps the table that was resolved at registration.
    if written.table != directive.table {
        return Err(Error::Target(format!(
            "the backfill {} is registered for {}, and cannot change to {}: restore the table in {}, and write another migration \
             for the other table",
            job.name, written.table, directive.table, migration.path
        )));
    }
    if job.begun {
        let striped =
            |statement: &str, directive| Shape::of(statement, directive).is_ok_and(|shape| shape.striped);
        let same = written.key == directive.key
            && written.strategy == directive.strategy
            && written.undo == directive.undo
            && striped(&job.statement, &job.directive) == striped(&migration.sql, directive);
        if !same {
            return Err(Error::Target(format!(
                "the backfill {} has begun, and its key, strategy, undo or stripes cannot change any more: restore \
                 them in {}, or undo it with `cargo xtask rollback` first",
                job.name, migration.path
            )));
        }
    }
    let json = serde_json::to_string(directive).unwrap_or_default();
    let guard = Shape::of(&migration.sql, directive).ok();
    let guard = guard.and_then(|shape| shape.parts.iter().find_map(|part| part.guard.clone()));
    let remaining = directive.remaining.clone().or(guard.filter(|_| job.begun));
    let sql = "UPDATE refit.backfill SET name = $2, statement = $3, directive = $4, remaining = $5, targets = NULL \
               WHERE id = $1 AND state <> 'complete'";
    let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
        (&job.id, Type::INT8),
        (&migration.stem, Type::TEXT),
        (&&*migration.sql, Type::TEXT),
        (&json, Type::TEXT),
        (&remaining, Type::TEXT),
    ];
    let changed = client.execute_boxed(&state.sql(sql), &parameters).await;
    changed.map_err(Error::database("changing a backfill"))?;
    Ok(())
}

/// The directive as its migration wrote it: a job's own names the table that was found.
async fn written_directive(client: &Client, job: &Job) -> Result<refit_model::BackfillDirective, Error> {
    let sql = "SELECT directive FROM refit.backfill WHERE id = $1";
    let row = client.query_one_boxed(&job.sql(sql), &[(&job.id, Type::INT8)]).await;
    let text: String = row.map_err(Error::database("reading a backfill"))?.get(0);
    serde_json::from_str(&text)
        .map_err(|error| Error::Internal(format!("the directive of {} cannot be read: {error}", job.name)))
}

/// Registers the job of a backfill that is applied and whose job is not recorded, in the transaction at hand; with `complete`, as
/// one whose rows are done.
pub(crate) async fn record(
    client: &Client,
    (state, search_path): (&State, &str),
    migration: &Migration,
    complete: bool,
) -> Result<(), Error> {
    let failed = || Error::database("registering a backfill again");
    let Some(directive) = &migration.directives.backfill else { return Ok(()) };
    if let Some(job) = Job::of(client, state, migration.version).await? {
        return Err(Error::Target(format!(
            "the backfill {} is recorded, as {}: `cargo xtask backfill` controls it",
            job.name, job.state
        )));
    }
    let sql = format!(
        "{}{};SET LOCAL search_path = pg_catalog, pg_temp",
        local_search_path(search_path),
        registration(state, migration, directive)
    );
    client.batch_execute_boxed(&sql).await.map_err(failed())?;
    if complete {
        let sql = "UPDATE refit.backfill SET state = 'complete', finished_at = pg_catalog.clock_timestamp(), \
                       reason = 'an operator said that its rows are done' WHERE version = $1 AND history_id = $2";
        let named: [(&(dyn ToSql + Sync), Type); 2] =
            [(&migration.version, Type::INT8), (&state.history(), Type::INT8)];
        client.execute_boxed(&state.sql(sql), &named).await.map_err(failed())?;
    }
    Ok(())
}

/// As [`record`], in a transaction of its own.
pub(crate) async fn register_again(
    client: &Client,
    (state, search_path): (&State, &str),
    set: &MigrationSet,
    version: Version,
) -> Result<(), Error> {
    let failed = || Error::database("registering a backfill again");
    let Some(migration) = set.migration(version) else { return Ok(()) };
    client.batch_execute_boxed("BEGIN").await.map_err(failed())?;
    let recorded = record(client, (state, search_path), migration, false).await;
    let end = if recorded.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute_boxed(end).await.map_err(failed())?;
    recorded
}
