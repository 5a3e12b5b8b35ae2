//! The report of a run, for people and for machines.

mod backup;
mod budget;
mod check;
mod job;
mod run;
mod step;
mod words;

pub use backup::BackupRecord;
pub use budget::{BudgetResult, Measurement};
pub use check::{CheckResult, Counts, Verdict};
pub use job::{FailedRow, JobStatus, JournalStatus, WorkerStatus};
pub use run::{RecordedBackfill, RecordedHold, RecordedStep, RunReport, RunSummary};
pub use step::{BlockedAttempt, StepReport};
pub use words::{BackupState, JobKind, JobRequest, JobState, RunOutcome, StepOutcome};

use std::fmt;
use std::time::Duration;

use refit_model::Version;
use refit_model::wording::{counted, elapsed};
use serde::Serialize;

use crate::environment_gate::Override;
use crate::plan::HeldStep;

/// The result of one application of a plan. `Display` writes a line for each step, and [`Report::summary`]; it serialises to
/// JSON.
///
/// ```no_run
/// # async fn example(migrator: refit::Migrator, url: &str) -> Result<(), refit::Error> {
/// let report = migrator.run(url).await?;
/// for step in &report.steps {
///     println!("{} took {:?} in {} attempts", step.stem, step.duration, step.attempts);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The run's identity in `refit.run`; `None` if there was nothing to do.
    pub run: Option<i64>,
    /// The environment that the plan was for.
    pub environment: String,
    /// The version of the database afterwards.
    pub version: Option<Version>,
    /// What ran, in order.
    pub steps: Vec<StepReport>,
    /// The backfills that the run itself ran.
    pub backfills: Vec<JobStatus>,
    /// The steps that are held back.
    pub held: Vec<HeldStep>,
    /// What was measured for budgets before and after the run, if it measures them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetResult>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
    /// The gates of the environment that it was allowed to pass, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
    /// How long the whole run took, in seconds, waiting included.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// How long it waited for another run, in seconds.
    #[serde(serialize_with = "seconds")]
    pub waited: Duration,
}

impl Report {
    /// What was done, how long it took, and the version of the database, in one line.
    ///
    /// ```
    /// # fn example(report: refit::Report) {
    /// println!("{}", report.summary());
    /// # }
    /// ```
    pub fn summary(&self) -> String {
        let version = self.version.map_or("none".to_owned(), |version| version.to_string());
        let done = match self.steps.len() {
            0 => "nothing to apply".to_owned(),
            count => format!("applied {}", counted(count, "migration")),
        };
        let waited = match self.waited.is_zero() {
            true => String::new(),
            false => format!(", {} of it waiting for another run", elapsed(self.waited)),
        };
        format!("{done} in {}{waited}; the database is at version {version}", elapsed(self.duration))
    }

    /// Adds the results of a later application.
    pub(crate) fn append(&mut self, next: Report) {
        self.run = next.run.or(self.run);
        self.version = next.version.max(self.version);
        self.steps.extend(next.steps);
        self.backfills.extend(next.backfills);
        self.held = next.held;
        self.overridden = next.overridden.or(self.overridden.take());
        self.duration += next.duration;
        self.waited += next.waited;
    }
}

pub(crate) fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        if let Some(overridden) = &self.overridden {
            writeln!(f, "gates passed: {overridden}")?;
        }
        let width = self.steps.iter().map(|step| step.stem.chars().count()).max().unwrap_or(0);
        for step in &self.steps {
            write!(f, "  applied {:width$}  {:>8}", step.stem, elapsed(step.duration))?;
            if step.attempts > 1 {
                write!(f, "  after {} attempts", step.attempts)?;
            }
            writeln!(f)?;
        }
        for backfill in &self.backfills {
            writeln!(f, "  filled  {backfill}")?;
        }
        for step in &self.held {
            writeln!(f, "  held    {}  ({})", step.stem, step.gate)?;
        }
        f.write_str(&self.summary())
    }
}
