//! The status of a backfill: plain data, which [`backfill`](crate::backfill) reads.

use std::fmt;

use refit_model::{Strategy, Version};
use serde::Serialize;

use super::words::{JobKind, JobRequest, JobState};
use crate::application_name;

/// The status of a backfill.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobStatus {
    /// Its identity in `refit.backfill`.
    pub id: i64,
    /// The schema of the history that it belongs to.
    pub history: String,
    /// The version of its migration.
    pub version: Version,
    /// The file name without `.sql`.
    pub name: String,
    /// Its direction.
    pub kind: JobKind,
    /// Whether it deletes the rows that a backfill inserted.
    pub deletes: bool,
    /// Its state.
    pub state: JobState,
    /// What an operator requested last.
    pub requested: JobRequest,
    /// The strategy that walks the key space.
    pub strategy: Option<Strategy>,
    /// Why this strategy.
    pub reason: Option<String>,
    /// Rows of the table, as estimated when it began.
    pub rows_estimated: i64,
    /// Rows that the statement changed.
    pub rows_changed: i64,
    /// Progress, from 0 to 1.
    pub progress: f64,
    /// Recent rate, in rows changed per second.
    pub rows_per_second: Option<f64>,
    /// Remaining seconds at this rate.
    pub eta_seconds: Option<f64>,
    /// Batches committed.
    pub batches: i64,
    /// Batches that were retried.
    pub retries: i64,
    /// Rows that are set aside.
    pub errors: i64,
    /// Closing sweeps since it began or was resumed.
    pub pass: i32,
    /// Why it is throttled.
    pub throttle: Option<String>,
    /// The error that stopped it.
    pub error: Option<String>,
    /// Seconds that it took, or has taken so far.
    pub seconds: Option<f64>,
    /// The workers with a lease.
    pub workers: Vec<WorkerStatus>,
    /// The rows that were most recently set aside, at most ten.
    pub failed_rows: Vec<FailedRow>,
    /// The journal that it writes for a rollback, or restores from.
    pub journal: Option<JournalStatus>,
    /// For a complete undo: rows that were changed again since the backfill and therefore not restored. Zero once the journal is
    /// dropped.
    pub changed_since: i64,
    /// Their keys, in order, at most [`KEYS`](JobStatus::KEYS); the journal has all of them.
    pub changed_keys: Vec<Vec<String>>,
}

/// The table of earlier values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JournalStatus {
    /// Qualified and quoted.
    pub table: String,
    /// Bytes, indexes included.
    pub bytes: i64,
    /// The start of its retention, RFC 3339: it is dropped after `undo_retention`. None while the job is not complete.
    pub kept_since: Option<String>,
}

/// A worker with a lease.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// The pid of its server process.
    pub pid: i32,
    /// The address from which it is connected.
    pub host: String,
    /// The table or partition whose rows it changes.
    pub relation: String,
    /// The range.
    pub range: i64,
    /// Rows in its last batch.
    pub batch_rows: i32,
    /// Why its last batch is retried.
    pub retry_reason: Option<String>,
}

/// A row that could not be changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FailedRow {
    /// The table or partition.
    pub relation: String,
    /// Its key.
    pub key: Vec<String>,
    /// SQLSTATE.
    pub sqlstate: String,
    /// The server's message.
    pub message: String,
    /// Its detail.
    pub detail: Option<String>,
    /// How often it failed.
    pub attempts: i32,
}

impl JobStatus {
    /// The maximum length of [`changed_keys`](JobStatus::changed_keys).
    pub const KEYS: usize = 1_000;

    /// The `application_name` of its workers' sessions.
    pub fn session_name(&self) -> String {
        application_name::worker(self.version, self.id)
    }

    /// What it has done to rows: `changed`, `restored`, or `deleted` if it undoes a backfill that inserted them.
    pub fn done(&self) -> &'static str {
        match self.kind {
            JobKind::Undo if self.deletes => "deleted",
            JobKind::Undo => "restored",
            JobKind::Forward => "changed",
        }
    }

    /// Whether an operator has paused it.
    pub fn is_paused(&self) -> bool {
        self.requested == JobRequest::Pause && matches!(self.state, JobState::Running | JobState::Registered)
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text)?;
        f.write_str(&refit_model::visible(&text))
    }
}

impl JobStatus {
    fn write(&self, f: &mut impl fmt::Write) -> fmt::Result {
        let state = if self.is_paused() { "paused" } else { self.state.as_str() };
        write!(
            f,
            "{}  {state}  {:.1} %, {} rows {}",
            self.name,
            self.progress * 100.0,
            self.rows_changed,
            self.done()
        )?;
        if let Some(rate) = self.rows_per_second.filter(|_| self.state == JobState::Running) {
            write!(f, ", {rate:.0} per second")?;
        }
        if let Some(eta) = self.eta_seconds {
            write!(f, ", {eta:.0} s to go")?;
        }
        if self.state == JobState::Complete
            && let Some(seconds) = self.seconds
        {
            write!(f, " in {seconds:.1} s, {} batches", self.batches)?;
        }
        if let (Some(strategy), Some(reason)) = (&self.strategy, &self.reason) {
            write!(f, "\n  strategy  {strategy}: {reason}")?;
        }
        if self.pass > 0 {
            write!(f, "\n  sweeps    {}", self.pass)?;
        }
        if self.retries > 0 {
            write!(f, "\n  retries   {}", self.retries)?;
        }
        if let Some(throttle) = &self.throttle {
            write!(f, "\n  slowed    {throttle}")?;
        }
        for worker in &self.workers {
            write!(
                f,
                "\n  worker    pid {} from {}, {} rows per batch of {}",
                worker.pid, worker.host, worker.batch_rows, worker.relation
            )?;
            if let Some(reason) = &worker.retry_reason {
                write!(f, ", retrying: {reason}")?;
            }
        }
        if let Some(error) = &self.error {
            write!(f, "\n  stopped   {error}")?;
        }
        if self.changed_since > 0 {
            write!(f, "\n  left      {} rows that were changed again since", self.changed_since)?;
        }
        if self.errors > 0 {
            write!(f, "\n  failed    {} rows", self.errors)?;
        }
        for row in &self.failed_rows {
            write!(
                f,
                "\n            {} ({}): {} (SQLSTATE {})",
                row.relation,
                row.key.join(", "),
                row.message,
                row.sqlstate
            )?;
        }
        Ok(())
    }
}
