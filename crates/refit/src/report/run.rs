//! The report of a run, as it is read from the records of a database: plain data.

use refit_model::Version;
use serde::Serialize;

use super::words::{JobKind, JobState, RunOutcome, StepOutcome};
use super::{BackupRecord, BlockedAttempt, BudgetResult, CheckResult};
use crate::connect::Notice;
use crate::plan::StepKind;

/// The report of a run, read from the records of a database. `docs/report-schema.json` is the schema of its JSON.
///
/// ```no_run
/// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
/// if let Some(report) = migrator.run_report(client, None).await? {
///     println!("run {} {}: {} steps", report.run.id, report.run.outcome, report.steps.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunReport {
    /// The version of the form, [`RunReport::FORMAT`].
    pub format: u32,
    /// The run.
    #[serde(flatten)]
    pub run: RunSummary,
    /// The version of Refit that ran it.
    pub refit_version: String,
    /// The role that logged in.
    pub role: String,
    /// The address from which it was connected.
    pub client: String,
    /// How many steps were pending when it began.
    pub planned: i64,
    /// How long it waited for another run, in seconds; none if an older release ran it.
    pub waited_seconds: Option<f64>,
    /// Its steps, in order, those that failed included.
    pub steps: Vec<RecordedStep>,
    /// The backfills that it registered, as they are now.
    pub backfills: Vec<RecordedBackfill>,
    /// What its checks found.
    pub checks: Vec<CheckResult>,
    /// What was measured for budgets before and after it.
    pub budgets: Vec<BudgetResult>,
    /// The backups that were made for it.
    pub backups: Vec<BackupRecord>,
    /// Why it passed closed gates of the environment; none if it was not to pass any.
    pub override_reason: Option<String>,
    /// The closed gates that it passed.
    pub passed_gates: Vec<String>,
    /// The migrations that it held back.
    pub held: Vec<RecordedHold>,
    /// Its warnings.
    pub warnings: Vec<String>,
}

impl RunReport {
    /// The version of its JSON: it grows when a reader of an older form would misunderstand a newer one.
    pub const FORMAT: u32 = 1;
}

/// A run, without its steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunSummary {
    /// Its identity in `refit.run`.
    pub id: i64,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The error that stopped it.
    pub error: Option<String>,
    /// When it had the lock and began, RFC 3339.
    pub started_at: String,
    /// When it ended; none while it runs, and if its process was killed.
    pub finished_at: Option<String>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// The environment.
    pub environment: String,
    /// The release of the program that ran it, if the program names it.
    pub release: Option<String>,
    /// The target version of a rollback; none for a run that applied.
    pub undo_to: Option<Version>,
    /// The steps that succeeded.
    pub steps_succeeded: i64,
}

/// A step of a recorded run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecordedStep {
    /// What it does.
    pub kind: StepKind,
    /// The version of its migration; none if that is repeatable.
    pub version: Option<Version>,
    /// The name of its migration, without the version.
    pub name: String,
    /// The file that ran; none if an older release ran it.
    pub file: Option<String>,
    /// How it ended.
    pub outcome: StepOutcome,
    /// The error that stopped it.
    pub error: Option<String>,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// When it ended; none while it runs, and if its process was killed.
    pub finished_at: Option<String>,
    /// How long it took, in seconds, retries included.
    pub seconds: Option<f64>,
    /// How often it was tried.
    pub attempts: i64,
    /// The attempts that did not get their locks.
    pub lock_waits: Vec<BlockedAttempt>,
    /// What the server said while it ran.
    pub notices: Vec<Notice>,
    /// For a step outside a transaction: how many of its statements are complete.
    pub statements_done: Option<i64>,
}

impl RecordedStep {
    /// The file that ran; for a step of an older release, the version and name.
    ///
    /// ```no_run
    /// # fn example(step: refit::RecordedStep) {
    /// println!("{} {}", step.title(), step.outcome);
    /// # }
    /// ```
    pub fn title(&self) -> String {
        match (&self.file, self.version) {
            (Some(file), _) => file.clone(),
            (None, Some(version)) => format!("V{version}__{}", self.name),
            (None, None) => format!("R__{}", self.name),
        }
    }
}

/// A backfill that a recorded run registered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecordedBackfill {
    /// Its identity in `refit.backfill`.
    pub id: i64,
    /// The version of its migration.
    pub version: Version,
    /// The file name of its migration, without `.sql`.
    pub stem: String,
    /// Its direction.
    pub kind: JobKind,
    /// Its state.
    pub state: JobState,
    /// Rows that its statement changed.
    pub rows: i64,
    /// Rows of the table, as estimated when it began.
    pub rows_estimated: i64,
    /// Batches committed.
    pub batches: i64,
    /// Batches that were retried.
    pub retries: i64,
    /// Workers that last held a range.
    pub workers: i64,
    /// Rows that are set aside.
    pub errors: i64,
    /// How long it took, in seconds; none until it is complete.
    pub seconds: Option<f64>,
    /// The error that stopped it.
    pub error: Option<String>,
}

/// A migration that a recorded run held back.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct RecordedHold {
    /// The version; none for a repeatable migration.
    pub version: Option<Version>,
    /// The file name without `.sql`.
    pub stem: String,
    /// What it waits for, and what opens the gate.
    pub reason: String,
}
