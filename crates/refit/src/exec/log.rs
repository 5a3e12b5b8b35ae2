//! What happens to the current step apart from its outcome: attempts that did not get their locks, and notices.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::connect::Notice;
use crate::report::BlockedAttempt;
use crate::state::{StepDetails, json};
use crate::step_notices::StepNotices;

/// The log of the step that a context runs.
#[derive(Debug, Default)]
pub(crate) struct StepLog {
    current: Mutex<Current>,
    notices: Option<StepNotices>,
}

#[derive(Debug)]
struct Current {
    stem: String,
    began: Instant,
    attempt_began: Instant,
    lock_waits: Vec<BlockedAttempt>,
}

impl Default for Current {
    fn default() -> Current {
        let now = Instant::now();
        Current { stem: String::new(), began: now, attempt_began: now, lock_waits: Vec::new() }
    }
}

impl StepLog {
    /// A log that also has the notices of the connection, which only a connection of Refit's own collects.
    pub(crate) fn new(notices: Option<StepNotices>) -> StepLog {
        StepLog { current: Mutex::default(), notices }
    }

    /// Begins with another step.
    pub(super) fn begin(&self, stem: &str) {
        *self.current() = Current { stem: stem.to_owned(), ..Current::default() };
    }

    /// The collector of notices with a step, for a message that is about to be sent.
    pub(super) fn of<'a>(&'a self, stem: &'a str) -> Option<(&'a StepNotices, &'a str)> {
        self.notices.as_ref().map(|notices| (notices, stem))
    }

    pub(super) fn stem(&self) -> String {
        self.current().stem.clone()
    }

    /// Adds an attempt that did not get its locks; `pause` is the one that follows it.
    pub(super) fn blocked(&self, error: String, pause: Duration, blockers: &[String]) {
        let mut current = self.current();
        let seconds = current.attempt_began.elapsed().as_secs_f64();
        let pause_seconds = pause.as_secs_f64();
        let blockers = blockers.to_vec();
        current.lock_waits.push(BlockedAttempt { error, seconds, pause_seconds, blockers });
    }

    /// Begins another attempt. The notices of one that was rolled back are dropped, since it repeats them.
    pub(super) fn attempt(&self, is_rolled_back: bool) {
        let mut current = self.current();
        current.attempt_began = Instant::now();
        if is_rolled_back && let Some(notices) = &self.notices {
            notices.take(&current.stem);
        }
    }

    /// The attempts of the step that did not get their locks, as JSON; none if there were none.
    pub(super) fn lock_waits(&self) -> Option<String> {
        json(&self.current().lock_waits)
    }

    /// Takes what its report contains.
    pub(super) fn take(&self) -> (Vec<BlockedAttempt>, Vec<Notice>) {
        let mut current = self.current();
        let notices = self.notices.as_ref().map(|notices| notices.take(&current.stem));
        (std::mem::take(&mut current.lock_waits), notices.unwrap_or_default())
    }

    /// Takes what the record of a failed step contains.
    pub(super) fn take_details(&self) -> StepDetails {
        let seconds = self.current().began.elapsed().as_secs_f64();
        let (lock_waits, notices) = self.take();
        StepDetails { seconds, lock_waits: json(&lock_waits), notices: json(&notices) }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
