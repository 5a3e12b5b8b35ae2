//! Reports of runs, read from the records of a database.
//!
//! Rows are read as JSON, so that those of an older release, which lack columns, are read like others.

use jiff::Timestamp;
use refit_model::{Version, redact};
use serde::Deserialize;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::backfill::engine::job::REGISTERED_IN;
use crate::backup::BackupRecord;
use crate::connect::Notice;
use crate::error::Error;
use crate::migrator::Migrator;
use crate::pin::pinned;
use crate::plan::StepKind;
use crate::queries::Queries;
use crate::report::{
    BlockedAttempt, BudgetResult, CheckResult, JobKind, JobState, RecordedBackfill, RecordedHold,
    RecordedStep, RunOutcome, RunReport, RunSummary, StepOutcome,
};
use crate::state::State;

impl Migrator {
    /// Reads the report of a run from the records of its history; of the last run if none is named. `None` if there is no such
    /// run: one with nothing to do is not recorded, and records expire after `retention`.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// let last = migrator.run_report(client, None).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`] if a query fails; [`Error::Target`] if a newer release wrote the records.
    pub async fn run_report(&self, client: &Client, run: Option<i64>) -> Result<Option<RunReport>, Error> {
        let state = self.readable_state(client).await?;
        if state.is_empty() {
            return Ok(None);
        }
        pinned(client, async || {
            let parameters: [(&(dyn ToSql + Sync), Type); 2] =
                [(&state.history(), Type::INT8), (&run, Type::INT8)];
            let rows = client.query_boxed(&state.sql(RUN), &parameters).await;
            let rows = rows.map_err(Error::database("reading the records of a run"))?;
            let Some(row) = rows.first() else { return Ok(None) };
            let run: RunRecord = parse(row.get(0))?;
            let steps: Vec<StepRecord> = parse(row.get(1))?;
            let backfills = backfills(client, &state, run.id).await?;
            let checks = crate::check::recorded(client, &state, run.id).await?;
            let backups = crate::backup::of_run(client, &state, run.id).await?;
            report(run, steps, backfills, checks, backups).map(Some)
        })
        .await
    }

    /// Reads the most recent runs of the history, the newest first, at most `limit` of them.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// for run in migrator.recorded_runs(client, 20).await? {
    ///     println!("{}  {}  {}", run.id, run.started_at, run.outcome);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`run_report`](Migrator::run_report).
    pub async fn recorded_runs(&self, client: &Client, limit: i64) -> Result<Vec<RunSummary>, Error> {
        let state = self.readable_state(client).await?;
        if state.is_empty() {
            return Ok(Vec::new());
        }
        pinned(client, async || {
            let parameters: [(&(dyn ToSql + Sync), Type); 2] =
                [(&state.history(), Type::INT8), (&limit, Type::INT8)];
            let rows = client.query_boxed(&state.sql(RUNS), &parameters).await;
            let rows = rows.map_err(Error::database("reading the records of runs"))?;
            rows.iter().map(|row| parse::<RunRecord>(row.get(0))?.summary(row.get(1))).collect()
        })
        .await
    }

    async fn readable_state(&self, client: &Client) -> Result<State, Error> {
        let state = self.state(client).await?;
        match state.is_unreadable() {
            true => Err(Error::Target(format!(
                "the role may not read the records of runs; the owner of the schema can GRANT USAGE ON SCHEMA {0} and GRANT SELECT \
                 ON ALL TABLES IN SCHEMA {0} to it",
                state.quoted()
            ))),
            false => Ok(state),
        }
    }
}

const RUN: &str = "SELECT pg_catalog.to_jsonb(run)::pg_catalog.text, \
        coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(step) ORDER BY step.id) \
                  FROM refit.step WHERE run_id = run.id), '[]')::pg_catalog.text \
    FROM refit.run WHERE history_id = $1 AND ($2::pg_catalog.int8 IS NULL OR id = $2) ORDER BY id DESC LIMIT 1";

const RUNS: &str = "SELECT pg_catalog.to_jsonb(run)::pg_catalog.text, \
        (SELECT pg_catalog.count(*) FROM refit.step WHERE run_id = run.id AND outcome = 'succeeded') \
    FROM refit.run WHERE history_id = $1 ORDER BY id DESC LIMIT $2";

/// The jobs of a run's history; the condition [`REGISTERED_IN`] is missing. Those that were registered while the run was active are
/// its own, since no other run of the history was.
const BACKFILLS: &str = "SELECT b.id, b.version, b.name, b.kind, b.state, coalesce(r.rows, 0)::pg_catalog.int8, \
        coalesce(b.rows_estimated, 0), coalesce(r.batches, 0)::pg_catalog.int8, coalesce(r.retries, 0)::pg_catalog.int8, \
        coalesce(r.workers, 0), (SELECT pg_catalog.count(*) FROM refit.backfill_error e \
            WHERE e.backfill_id = b.id AND resolved_at IS NULL), \
        extract(epoch FROM b.finished_at - b.started_at)::pg_catalog.float8, b.error \
    FROM refit.backfill b JOIN refit.run ON run.id = $1 AND run.history_id = b.history_id \
    LEFT JOIN LATERAL ( \
        SELECT pg_catalog.sum(rows_changed) AS rows, pg_catalog.sum(batches) AS batches, pg_catalog.sum(retries) AS retries, \
               pg_catalog.count(DISTINCT worker_host || ' ' || worker_pid) AS workers \
        FROM refit.backfill_range WHERE backfill_id = b.id) r ON true";

/// A row of `refit.run`.
#[derive(Deserialize)]
struct RunRecord {
    id: i64,
    started_at: String,
    finished_at: Option<String>,
    outcome: String,
    error: Option<String>,
    environment: String,
    refit_version: String,
    session_role: String,
    client: String,
    planned: i64,
    undo_to: Option<Version>,
    release: Option<String>,
    waited: Option<f64>,
    held: Option<Vec<RecordedHold>>,
    warnings: Option<Vec<String>>,
    override_reason: Option<String>,
    overridden: Option<Vec<String>>,
    budgets: Option<Vec<BudgetResult>>,
}

impl RunRecord {
    fn summary(&self, steps_succeeded: i64) -> Result<RunSummary, Error> {
        let (began, ended) = times(&self.started_at, self.finished_at.as_deref())?;
        Ok(RunSummary {
            id: self.id,
            outcome: RunOutcome::read(&self.outcome)?,
            error: self.error.as_deref().map(redacted),
            started_at: began.to_string(),
            finished_at: ended.map(|at| at.to_string()),
            seconds: ended.map(|at| between(began, at)),
            environment: self.environment.clone(),
            release: self.release.clone(),
            undo_to: self.undo_to,
            steps_succeeded,
        })
    }
}

/// A row of `refit.step`.
#[derive(Deserialize)]
struct StepRecord {
    kind: String,
    version: Option<Version>,
    name: String,
    file: Option<String>,
    started_at: String,
    finished_at: Option<String>,
    outcome: String,
    error: Option<String>,
    attempts: i64,
    lock_waits: Option<Vec<BlockedAttempt>>,
    notices: Option<Vec<Notice>>,
    statements_done: Option<i64>,
}

impl StepRecord {
    fn step(self) -> Result<RecordedStep, Error> {
        let outcome = StepOutcome::read(&self.outcome)?;
        let lock_waits = self.lock_waits.unwrap_or_default();
        let (began, ended) = times(&self.started_at, self.finished_at.as_deref())?;
        let mut seconds = ended.map(|at| between(began, at));
        // The row of a step that succeeded in a transaction begins with the last attempt.
        if outcome == StepOutcome::Succeeded && self.statements_done.is_none() {
            let before: f64 = lock_waits.iter().map(|wait| wait.seconds + wait.pause_seconds).sum();
            seconds = seconds.map(|seconds| seconds + before);
        }
        Ok(RecordedStep {
            kind: kind(&self.kind)?,
            version: self.version,
            name: self.name,
            file: self.file,
            outcome,
            error: self.error.as_deref().map(redacted),
            started_at: began.to_string(),
            finished_at: ended.map(|at| at.to_string()),
            seconds,
            attempts: self.attempts,
            lock_waits,
            notices: self.notices.unwrap_or_default(),
            statements_done: self.statements_done,
        })
    }
}

fn report(
    run: RunRecord,
    steps: Vec<StepRecord>,
    backfills: Vec<RecordedBackfill>,
    checks: Vec<CheckResult>,
    backups: Vec<BackupRecord>,
) -> Result<RunReport, Error> {
    let steps: Vec<RecordedStep> = steps.into_iter().map(StepRecord::step).collect::<Result<_, _>>()?;
    let succeeded = steps.iter().filter(|step| step.outcome == StepOutcome::Succeeded).count();
    Ok(RunReport {
        format: RunReport::FORMAT,
        run: run.summary(i64::try_from(succeeded).unwrap_or(i64::MAX))?,
        refit_version: run.refit_version,
        role: run.session_role,
        client: run.client,
        planned: run.planned,
        waited_seconds: run.waited,
        steps,
        backfills,
        checks,
        budgets: run.budgets.unwrap_or_default(),
        backups,
        override_reason: run.override_reason,
        passed_gates: run.overridden.unwrap_or_default(),
        held: run.held.unwrap_or_default(),
        warnings: run.warnings.unwrap_or_default(),
    })
}

async fn backfills(client: &Client, state: &State, run: i64) -> Result<Vec<RecordedBackfill>, Error> {
    if !state.has(client, "backfill").await? {
        return Ok(Vec::new());
    }
    let sql = format!("{BACKFILLS} WHERE {REGISTERED_IN} ORDER BY b.id");
    let rows = client.query_boxed(&state.sql(&sql), &[(&run, Type::INT8)]).await;
    let rows = rows.map_err(Error::database("reading the backfills of a run"))?;
    let backfill = |row: &tokio_postgres::Row| {
        Ok(RecordedBackfill {
            id: row.get(0),
            version: row.get(1),
            stem: row.get(2),
            kind: JobKind::read(row.get(3))?,
            state: JobState::read(row.get(4))?,
            rows: row.get(5),
            rows_estimated: row.get(6),
            batches: row.get(7),
            retries: row.get(8),
            workers: row.get(9),
            errors: row.get(10),
            seconds: row.get(11),
            error: row.get::<_, Option<&str>>(12).map(redacted),
        })
    };
    rows.iter().map(backfill).collect()
}

/// Errors that older releases recorded may contain passwords.
fn redacted(error: &str) -> String {
    redact::text(error).into_owned()
}

/// Begin and end, as the server writes them in JSON.
fn times(began: &str, ended: Option<&str>) -> Result<(Timestamp, Option<Timestamp>), Error> {
    let time = |text: &str| {
        text.parse().map_err(|_| Error::Target(format!("the records of a run have the time `{text}`")))
    };
    Ok((time(began)?, ended.map(time).transpose()?))
}

fn between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

fn kind(word: &str) -> Result<StepKind, Error> {
    match word {
        "versioned" => Ok(StepKind::Versioned),
        "repeatable" => Ok(StepKind::Repeatable),
        "undo" => Ok(StepKind::Undo),
        "checkpoint" => Ok(StepKind::Checkpoint),
        _ => Err(Error::Target(format!(
            "a newer release wrote `{word}` into the state of this database; use that release"
        ))),
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| {
        Error::Target(format!("cannot read the records of a run ({error}); a newer release may have written them: use that release"))
    })
}
