//! Events that a run reports while it runs, for progress bars and alerts. Metrics are recorded from the same events.

use std::time::Duration;

use crate::connect::Notice;
use crate::plan::HeldStep;
use crate::report::StepReport;
use crate::report::{CheckResult, JobStatus};

/// Something that happened in a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another run holds the lock.
    Waiting {
        /// The session that holds it.
        holder: &'a str,
        /// For how long this run has waited.
        waited: Duration,
    },
    /// This run holds the lock, and its plan is complete.
    Began {
        /// The number of steps that will run.
        steps: usize,
    },
    /// A step begins.
    StepBegan {
        /// The file name without `.sql`.
        stem: &'a str,
    },
    /// A step could not get its locks and will be tried again.
    StepRetried {
        /// The file name without `.sql`.
        stem: &'a str,
        /// The number of attempts so far.
        attempts: u32,
        /// The pause before the next attempt.
        delay: Duration,
        /// The sessions that held the locks.
        blockers: &'a [String],
    },
    /// A backfill is running; reported once a second.
    Backfill {
        /// Its state and progress.
        status: &'a JobStatus,
    },
    /// A backfill's journal was dropped: the backfill can no longer be rolled back.
    JournalDropped {
        /// The file name of its migration, without `.sql`.
        stem: &'a str,
        /// The table that was dropped, qualified and quoted.
        journal: &'a str,
    },
    /// The server sent a notice, for example for `RAISE WARNING` in a migration. Only on connections that Refit has opened.
    Notice {
        /// The notice.
        notice: &'a Notice,
        /// The step that runs: the file name without `.sql`.
        stem: Option<&'a str>,
    },
    /// A run has ended, and holds this step back.
    Held {
        /// The step, and its gate.
        step: &'a HeldStep,
    },
    /// A check ran.
    Checked {
        /// What it found.
        result: &'a CheckResult,
    },
    /// A step was applied.
    StepApplied {
        /// Its report.
        report: &'a StepReport,
    },
}
