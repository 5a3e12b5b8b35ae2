//! Runs and their steps in the state.

use std::time::Duration;

use refit_model::Version;
use serde::Serialize;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::State;
use crate::connect::Notice;
use crate::environment_gate::{EnvironmentGate, Override};
use crate::error::Error;
use crate::plan::{HeldStep, StepKind};
use crate::queries::Queries;
use crate::report::{BudgetResult, StepReport};

/// What is recorded of a run when it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunBegin<'a> {
    pub(crate) environment: &'a str,
    /// The release of the program.
    pub(crate) release: Option<&'a str>,
    /// How many steps are pending.
    pub(crate) planned: usize,
    /// How long it waited for another run.
    pub(crate) waited: Duration,
    /// The gates that are passed, and why.
    pub(crate) overridden: Option<&'a Override>,
}

/// Opens a run. An override is recorded before anything is changed.
pub(crate) async fn begin_run(client: &Client, state: &State, begin: RunBegin<'_>) -> Result<i64, Error> {
    let planned = i32::try_from(begin.planned).unwrap_or(i32::MAX);
    let overridden = begin.overridden;
    let reason = overridden.map(|overridden| overridden.reason.as_str());
    let gates: Option<Vec<&str>> =
        overridden.map(|overridden| overridden.gates.iter().map(EnvironmentGate::as_str).collect());
    let sql = "INSERT INTO refit.run (environment, refit_version, planned, history_id, release, waited, override_reason, overridden) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
    let parameters: [(&(dyn ToSql + Sync), Type); 8] = [
        (&begin.environment, Type::TEXT),
        (&env!("CARGO_PKG_VERSION"), Type::TEXT),
        (&planned, Type::INT4),
        (&state.history(), Type::INT8),
        (&begin.release, Type::TEXT),
        (&begin.waited.as_secs_f64(), Type::FLOAT8),
        (&reason, Type::TEXT),
        (&gates, Type::TEXT_ARRAY),
    ];
    let row = client.query_one_boxed(&state.sql(sql), &parameters).await;
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
    begin: RunBegin<'_>,
    to: Version,
) -> Result<i64, Error> {
    let run = begin_run(client, state, begin).await?;
    let sql = "UPDATE refit.run SET undo_to = $2 WHERE id = $1";
    client
        .execute_boxed(&state.sql(sql), &[(&run, Type::INT8), (&to, Type::INT8)])
        .await
        .map_err(Error::database("opening the run"))?;
    Ok(run)
}

/// What is recorded of a run when it ends, in addition to its outcome. Each part is JSON, or none if it is empty.
#[derive(Debug, Default)]
pub(crate) struct RunEnd {
    /// An array of objects with `kind`, `stem` and `notices`, for the steps that succeeded.
    notices: Option<String>,
    held: Option<String>,
    warnings: Option<String>,
    budgets: Option<String>,
}

impl RunEnd {
    pub(crate) fn of(steps: &[StepReport], held: &[HeldStep], warnings: &[String]) -> RunEnd {
        #[derive(Serialize)]
        struct Said<'a> {
            kind: StepKind,
            stem: &'a str,
            notices: &'a [Notice],
        }
        #[derive(Serialize)]
        struct Held<'a> {
            #[serde(flatten)]
            step: &'a HeldStep,
            reason: String,
        }
        let held: Vec<Held<'_>> =
            held.iter().map(|step| Held { step, reason: step.gate.to_string() }).collect();
        let said = steps.iter().filter(|step| !step.notices.is_empty());
        let said: Vec<Said<'_>> =
            said.map(|step| Said { kind: step.kind, stem: &step.stem, notices: &step.notices }).collect();
        RunEnd { notices: json(&said), held: json(&held), warnings: json(warnings), budgets: None }
    }

    /// With what was measured for budgets.
    pub(crate) fn with_budgets(self, results: &[BudgetResult]) -> RunEnd {
        RunEnd { budgets: json(results), ..self }
    }
}

/// A list as JSON; none if it is empty.
pub(crate) fn json<T: Serialize>(list: &[T]) -> Option<String> {
    if list.is_empty() {
        return None;
    }
    // Strings and numbers always serialise; a failure would only lose remarks.
    serde_json::to_string(list).ok()
}

/// Closes a run with its outcome, and returns the outcome. The commit also makes the steps durable, which commit without waiting
/// for the disk.
pub(crate) async fn end_run(
    client: &Client,
    state: &State,
    run: i64,
    came_out: Result<(), Error>,
    end: &RunEnd,
) -> Result<(), Error> {
    // An interrupted run stays open, like one whose process was killed: status reports it as interrupted.
    if client.is_closed() || matches!(came_out, Err(Error::Interrupted { .. })) {
        return came_out;
    }
    let error = came_out.as_ref().err().map(Error::message);
    let outcome = if error.is_some() { "failed" } else { "succeeded" };
    // The notices of steps are written here, so that a step with notices needs no message of its own.
    let sql = "WITH said AS (UPDATE refit.step SET notices = said.notices \
                   FROM pg_catalog.jsonb_to_recordset($6::pg_catalog.jsonb) \
                       AS said (kind pg_catalog.text, stem pg_catalog.text, notices pg_catalog.jsonb) \
                   WHERE run_id = $1 AND outcome = 'succeeded' AND step.kind = said.kind \
                     AND pg_catalog.starts_with(step.file, said.stem || '.')) \
               UPDATE refit.run SET finished_at = pg_catalog.clock_timestamp(), outcome = $2, error = $3, \
                   held = $4::pg_catalog.jsonb, warnings = $5::pg_catalog.jsonb, \
                   budgets = $7::pg_catalog.jsonb WHERE id = $1";
    let parameters: [(&(dyn ToSql + Sync), Type); 7] = [
        (&run, Type::INT8),
        (&outcome, Type::TEXT),
        (&error, Type::TEXT),
        (&end.held, Type::TEXT),
        (&end.warnings, Type::TEXT),
        (&end.notices, Type::TEXT),
        (&end.budgets, Type::TEXT),
    ];
    let ended = client.execute_boxed(&state.sql(sql), &parameters).await;
    // The first error is the one to report.
    came_out.and(ended.map(drop).map_err(Error::database("closing the run")))
}

/// Records that a run whose steps are applied failed afterwards.
pub(crate) async fn fail_run(client: &Client, state: &State, run: i64, error: &str) -> Result<(), Error> {
    let sql = "UPDATE refit.run SET outcome = 'failed', error = $2 WHERE id = $1";
    let failed = client.execute_boxed(&state.sql(sql), &[(&run, Type::INT8), (&error, Type::TEXT)]).await;
    failed.map(drop).map_err(Error::database("recording why the run failed"))
}

/// The row of a step in `refit.step`.
#[derive(Debug, Clone)]
pub(crate) struct StepRow<'a> {
    pub(crate) state: &'a State,
    pub(crate) run: i64,
    pub(crate) kind: StepKind,
    pub(crate) version: Option<Version>,
    pub(crate) name: &'a str,
    /// The name of the file.
    pub(crate) file: &'a str,
    pub(crate) checksum: u64,
    pub(crate) attempts: u32,
    /// The attempts that did not get their locks, as JSON.
    pub(crate) lock_waits: Option<String>,
}

/// What is recorded of a failed step, in addition to its row and its error. Lists are JSON, or none if they are empty.
#[derive(Debug, Default)]
pub(crate) struct StepDetails {
    /// How long it ran.
    pub(crate) seconds: f64,
    pub(crate) lock_waits: Option<String>,
    pub(crate) notices: Option<String>,
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
            StepKind::Checkpoint => "checkpoint",
        }
    }

    /// An INSERT for a step that succeeds with the current transaction.
    pub(crate) fn insert_succeeded(&self) -> String {
        self.insert_succeeded_in(&self.run.to_string())
    }

    /// The same for a run whose id is an SQL expression.
    pub(crate) fn insert_succeeded_in(&self, run: &str) -> String {
        let literal = postgres_protocol::escape::escape_literal;
        let version = self.version.map_or("NULL".to_owned(), |version| version.to_string());
        let (waits, value) = match &self.lock_waits {
            Some(waits) => (", lock_waits", format!(", {}", literal(waits))),
            None => ("", String::new()),
        };
        format!(
            "INSERT INTO {}.step (run_id, kind, version, name, file, checksum, finished_at, outcome, attempts{waits}) \
             VALUES ({run}, '{}', {version}, {}, {}, '{}', pg_catalog.clock_timestamp(), 'succeeded', {}{value})",
            self.state.quoted(),
            self.kind(),
            literal(self.name),
            literal(self.file),
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
        client.query_one_boxed(&self.state.sql(sql), &parameters).await.is_ok_and(|row| row.get(0))
    }

    /// Records a failed step, in a separate transaction.
    pub(crate) async fn insert_failed(
        &self,
        client: &Client,
        error: &str,
        details: &StepDetails,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO refit.step (run_id, kind, version, name, checksum, finished_at, outcome, attempts, error, \
                       file, started_at, lock_waits, notices) \
                   VALUES ($1, $2, $3, $4, $5, pg_catalog.clock_timestamp(), 'failed', $6, $7, $8, \
                       pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $9), $10::pg_catalog.jsonb, \
                       $11::pg_catalog.jsonb)";
        let attempts = i32::try_from(self.attempts).unwrap_or(i32::MAX);
        let parameters: [(&(dyn ToSql + Sync), Type); 11] = [
            (&self.run, Type::INT8),
            (&self.kind(), Type::TEXT),
            (&self.version, Type::INT8),
            (&self.name, Type::TEXT),
            (&self.checksum.to_string(), Type::TEXT),
            (&attempts, Type::INT4),
            (&error, Type::TEXT),
            (&self.file, Type::TEXT),
            (&details.seconds, Type::FLOAT8),
            (&details.lock_waits, Type::TEXT),
            (&details.notices, Type::TEXT),
        ];
        let inserted = client.execute_boxed(&self.state.sql(sql), &parameters).await;
        inserted.map(drop).map_err(Error::database("recording a failed step"))
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
        let rows = client.query_boxed(&self.state.sql(sql), &parameters).await;
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
                                           statements_checksum, file) \
                   VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, $8) RETURNING id";
        let done = i32::try_from(done).unwrap_or(i32::MAX);
        let parameters: [(&(dyn ToSql + Sync), Type); 8] = [
            (&self.run, Type::INT8),
            (&self.kind(), Type::TEXT),
            (&self.version, Type::INT8),
            (&self.name, Type::TEXT),
            (&self.checksum.to_string(), Type::TEXT),
            (&done, Type::INT4),
            (&checksum, Type::TEXT),
            (&self.file, Type::TEXT),
        ];
        let row = client.query_one_boxed(&self.state.sql(sql), &parameters).await;
        Ok(row.map_err(Error::database("opening a step"))?.get(0))
    }
}
