//! What a migrator is doing, for probes.

use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::event::Event;
use crate::hook::{Hook, HookFuture, HookRun};
use crate::report::JobState;

/// What a migrator is doing, for a probe that is asked while the service boots. Clones share it. `Display` is one line:
/// `migrating, step 3 of 7, 28 %: V0012__add_status`.
///
/// ```
/// let progress = refit::Progress::default();
/// # fn example(migrator: refit::Migrator, progress: &refit::Progress) -> refit::Migrator {
/// migrator.progress(progress)
/// # }
/// assert_eq!(progress.to_string(), "idle");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<Activity>>);

/// What a migrator is doing; see [`Progress::activity`].
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Activity {
    /// No run is in progress, and no backfill of this process.
    #[default]
    Idle,
    /// Another run holds the lock.
    Waiting {
        /// The session that holds it.
        holder: String,
    },
    /// A run is applying steps.
    Migrating {
        /// How many steps it will run.
        steps: usize,
        /// How many of them have ended.
        done: usize,
        /// The step that runs, without `.sql`.
        step: Option<String>,
    },
    /// A backfill is running.
    Backfill {
        /// Its migration, without `.sql`.
        stem: String,
        /// Progress, from 0 to 1.
        progress: f64,
    },
}

impl Progress {
    /// What the migrator is doing.
    pub fn activity(&self) -> Activity {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Activity)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.activity() {
            Activity::Idle => f.write_str("idle"),
            Activity::Waiting { holder } => write!(f, "waiting for another run: {holder}"),
            Activity::Migrating { steps, done, step } => {
                let percent = (done * 100).checked_div(steps).unwrap_or(100);
                write!(f, "migrating, step {} of {steps}, {percent} %", (done + 1).min(steps))?;
                step.map_or(Ok(()), |step| write!(f, ": {step}"))
            }
            Activity::Backfill { stem, progress } => write!(f, "backfill, {:.0} %: {stem}", progress * 100.0),
        }
    }
}

/// Follows the events of a migrator.
pub(crate) struct ProgressHook(pub(crate) Progress);

impl Hook for ProgressHook {
    fn uses_session(&self) -> bool {
        false
    }

    fn after_run<'a>(&'a self, _run: HookRun<'a>, _warnings: &'a mut Vec<String>) -> HookFuture<'a> {
        self.0.change(|activity| *activity = Activity::Idle);
        Box::pin(ready(Ok(())))
    }

    fn failed(&self, _error: &Error) {
        self.0.change(|activity| *activity = Activity::Idle);
    }

    fn event(&self, event: &Event<'_>) {
        self.0.change(|activity| match (event, activity) {
            (Event::Waiting { holder, .. }, activity) => {
                *activity = Activity::Waiting { holder: (*holder).to_owned() };
            }
            (Event::Began { steps }, activity) => {
                *activity = Activity::Migrating { steps: *steps, done: 0, step: None };
            }
            (Event::StepBegan { stem }, Activity::Migrating { step, .. }) => *step = Some((*stem).to_owned()),
            (Event::StepApplied { .. }, Activity::Migrating { done, step, .. }) => {
                *done += 1;
                *step = None;
            }
            (Event::Backfill { status }, activity) => {
                *activity = match status.state {
                    JobState::Running => {
                        Activity::Backfill { stem: status.name.clone(), progress: status.progress }
                    }
                    _ => Activity::Idle,
                };
            }
            _ => {}
        });
    }
}
