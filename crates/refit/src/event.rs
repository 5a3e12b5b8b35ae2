//! What a run reports while it works, for progress bars and alerts. Metrics are made from the same events.

use std::time::Duration;

use crate::connect::Notice;
use crate::report::JobStatus;
use crate::report::StepReport;

/// Something that happened in a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another run holds the lock.
    Waiting {
        /// Who holds it.
        holder: &'a str,
        /// For how long this run has waited.
        waited: Duration,
    },
    /// The lock is ours and the plan is made.
    Began {
        /// How many steps will run.
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
        /// How often it has been tried.
        attempts: u32,
        /// Pause before the next attempt.
        delay: Duration,
        /// Who held the locks.
        blockers: &'a [String],
    },
    /// A backfill is running; reported once a second.
    Backfill {
        /// Where it stands.
        status: &'a JobStatus,
    },
    /// What a backfill had overwritten is no longer kept: it can no longer be rolled back.
    JournalDropped {
        /// The file name of its migration, without `.sql`.
        stem: &'a str,
        /// The table that is gone, qualified and quoted.
        journal: &'a str,
    },
    /// The server said something beside its answers: `RAISE WARNING` of a migration, for example. On connections of Refit's own.
    Notice {
        /// What it said.
        notice: &'a Notice,
    },
    /// A step is done.
    StepApplied {
        /// What it did.
        report: &'a StepReport,
    },
}
