//! Runs and their steps in the state.

use refit_model::Version;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::State;
use crate::environment_gate::{EnvironmentGate, Override};
use crate::error::Error;
use crate::plan::StepKind;

/// Opens a run. An override is recorded before anything is changed.
pub(crate) async fn begin_run(
    client: &Client,
    state: &State,
    environment: &str,
    planned: usize,
    overridden: Option<&Override>,
) -> Result<i64, Error> {
    let reason = overridden.map(|overridden| overridden.reason.as_str());
    let gates: Option<Vec<&str>> =
        overridden.map(|overridden| overridden.gates.iter().map(EnvironmentGate::as_str).collect());
    let planned = i32::try_from(planned).unwrap_or(i32::MAX);
    let sql = "INSERT INTO refit.run (environment, refit_version, planned, history_id, override_reason, overridden) \
               VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    let parameters: [(&(dyn ToSql + Sync), Type); 6] = [
        (&environment, Type::TEXT),
        (&env!("CARGO_PKG_VERSION"), Type::TEXT),
        (&planned, Type::INT4),
        (&state.history(), Type::INT8),
        (&reason, Type::TEXT),
        (&gates, Type::TEXT_ARRAY),
    ];
    let row = client.query_typed_one(&state.sql(sql), &parameters).await;
    let run = row.map_err(Error::database("opening the run"))?.get(0);
    if let Some(overridden) = overridden {
        tracing::warn!(run, "gates passed: {overridden}");
    }
    Ok(run)
}

/// Opens a run that rolls back to a version.
pub(crate) async fn begin_undo(
    client: &Client,
    state: &State,
    environment: &str,
    planned: usize,
    to: Version,
    overridden: Option<&Override>,
) -> Result<i64, Error> {
    let run = begin_run(client, state, environment, planned, overridden).await?;
    let sql = "UPDATE refit.run SET undo_to = $2 WHERE id = $1";
    client
        .execute_typed(&state.sql(sql), &[(&run, Type::INT8), (&to, Type::INT8)])
        .await
        .map_err(Error::database("opening the run"))?;
    Ok(run)
}

/// Closes a run with its outcome, and returns the outcome. The commit also makes the steps durable, which commit without waiting
/// for the disk.
pub(crate) async fn end_run(
    client: &Client,
    state: &State,
    run: i64,
    came_out: Result<(), Error>,
) -> Result<(), Error> {
    // An interrupted run stays open, like one whose process was killed: status reports it as interrupted.
    if client.is_closed() || matches!(came_out, Err(Error::Interrupted { .. })) {
        return came_out;
    }
    let error = came_out.as_ref().err().map(Error::message);
    let outcome = if error.is_some() { "failed" } else { "succeeded" };
    let sql = "UPDATE refit.run SET finished_at = pg_catalog.clock_timestamp(), outcome = $2, error = $3 \
               WHERE id = $1";
    let ended = client
        .execute_typed(&state.sql(sql), &[(&run, Type::INT8), (&outcome, Type::TEXT), (&error, Type::TEXT)])
        .await
        .map_err(Error::database("closing the run"));
    // The first error is the one to report.
    came_out.and(ended.map(drop))
}

/// The row of a step in `refit.step`.
#[derive(Debug, Clone)]
pub(crate) struct StepRow<'a> {
    pub(crate) state: &'a State,
    pub(crate) run: i64,
    pub(crate) kind: StepKind,
    pub(crate) version: Option<Version>,
    pub(crate) name: &'a str,
    pub(crate) checksum: u64,
    pub(crate) attempts: u32,
}

/// The record of an earlier attempt at a step that runs statement by statement.
pub(crate) struct Earlier {
    /// How many statements it completed, without those of [`StatementKind::Session`](refit_model::StatementKind).
    pub(crate) done: usize,
    /// The checksum of their texts.
    pub(crate) checksum: String,
    /// Whether an attempt at the same text was interrupted, perhaps in the middle of the next statement.
    pub(crate) interrupted: bool,
}

impl StepRow<'_> {
    pub(crate) fn kind(&self) -> &'static str {
        match self.kind {
            StepKind::Versioned => "versioned",
            StepKind::Repeatable => "repeatable",
            StepKind::Undo => "undo",
        }
    }

    /// An INSERT for a step that succeeds with the current transaction.
    pub(crate) fn insert_succeeded(&self) -> String {
        let version = self.version.map_or("NULL".to_owned(), |version| version.to_string());
        format!(
            "INSERT INTO {}.step (run_id, kind, version, name, checksum, finished_at, outcome, attempts) \
             VALUES ({}, '{}', {version}, {}, '{}', pg_catalog.clock_timestamp(), 'succeeded', {})",
            self.state.quoted(),
            self.run,
            self.kind(),
            postgres_protocol::escape::escape_literal(self.name),
            self.checksum,
            self.attempts,
        )
    }

    /// Whether this run has recorded the step as succeeded. False if the query fails.
    pub(crate) async fn is_recorded(&self, client: &Client) -> bool {
        let sql = "SELECT EXISTS (SELECT FROM refit.step WHERE run_id = $1 AND kind = $2 \
                       AND version IS NOT DISTINCT FROM $3 AND name = $4 AND outcome = 'succeeded')";
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&self.run, Type::INT8),
            (&self.kind(), Type::TEXT),
            (&self.version, Type::INT8),
            (&self.name, Type::TEXT),
        ];
        client.query_typed_one(&self.state.sql(sql), &parameters).await.is_ok_and(|row| row.get(0))
    }

    /// Records a failed step, in a separate transaction.
    pub(crate) async fn insert_failed(&self, client: &Client, error: &str) -> Result<(), Error> {
        let sql = "INSERT INTO refit.step (run_id, kind, version, name, checksum, finished_at, outcome, attempts, error) \
                   VALUES ($1, $2, $3, $4, $5, pg_catalog.clock_timestamp(), 'failed', $6, $7)";
        let attempts = i32::try_from(self.attempts).unwrap_or(i32::MAX);
        client
            .execute_typed(
                &self.state.sql(sql),
                &[
                    (&self.run, Type::INT8),
                    (&self.kind(), Type::TEXT),
                    (&self.version, Type::INT8),
                    (&self.name, Type::TEXT),
                    (&self.checksum.to_string(), Type::TEXT),
                    (&attempts, Type::INT4),
                    (&error, Type::TEXT),
                ],
            )
            .await
            .map_err(Error::database("recording a failed step"))?;
        Ok(())
    }

    /// The last attempt at this step since it last succeeded, with any text.
    pub(crate) async fn earlier(&self, client: &Client) -> Result<Option<Earlier>, Error> {
        let sql = "WITH attempts AS ( \
                       SELECT id, statements_done, statements_checksum, outcome, checksum FROM refit.step \
                       WHERE kind = $1 AND version IS NOT DISTINCT FROM $2 AND name = $3 \
                         AND run_id IN (SELECT id FROM refit.run WHERE history_id = $5) \
                         AND statements_done IS NOT NULL AND outcome <> 'succeeded' \
                         AND id > coalesce((SELECT pg_catalog.max(id) FROM refit.step WHERE kind = $1 AND name = $3 \
                             AND run_id IN (SELECT id FROM refit.run WHERE history_id = $5) \
                             AND version IS NOT DISTINCT FROM $2 AND outcome = 'succeeded'), 0)), \
                   newest AS (SELECT * FROM attempts ORDER BY id DESC LIMIT 1) \
                   SELECT statements_done, coalesce(statements_checksum, ''), EXISTS ( \
                       SELECT FROM attempts WHERE outcome = 'running' AND checksum = $4 \
                         AND statements_done = newest.statements_done) \
                   FROM newest";
        let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
            (&self.kind(), Type::TEXT),
            (&self.version, Type::INT8),
            (&self.name, Type::TEXT),
            (&self.checksum.to_string(), Type::TEXT),
            (&self.state.history(), Type::INT8),
        ];
        let rows = client.query_typed(&self.state.sql(sql), &parameters).await;
        let rows = rows.map_err(Error::database("looking for an earlier attempt"))?;
        Ok(rows.first().map(|row| Earlier {
            done: usize::try_from(row.get::<_, i32>(0)).unwrap_or(0),
            checksum: row.get(1),
            interrupted: row.get(2),
        }))
    }

    /// Opens a step that runs statement by statement, of which `done` are complete; returns its id.
    pub(crate) async fn open(&self, client: &Client, done: usize, checksum: &str) -> Result<i64, Error> {
        let sql = "INSERT INTO refit.step (run_id, kind, version, name, checksum, outcome, statements_done, \
                                           statements_checksum) \
                   VALUES ($1, $2, $3, $4, $5, 'running', $6, $7) RETURNING id";
        let done = i32::try_from(done).unwrap_or(i32::MAX);
        let parameters: [(&(dyn ToSql + Sync), Type); 7] = [
            (&self.run, Type::INT8),
            (&self.kind(), Type::TEXT),
            (&self.version, Type::INT8),
            (&self.name, Type::TEXT),
            (&self.checksum.to_string(), Type::TEXT),
            (&done, Type::INT4),
            (&checksum, Type::TEXT),
        ];
        let row = client.query_typed_one(&self.state.sql(sql), &parameters).await;
        Ok(row.map_err(Error::database("opening a step"))?.get(0))
    }
}
