//! Notices by step: which step a notice of the server belongs to.
//!
//! A step is sent while the one before still runs, so the time at which a notice arrives does not tell. Notices and answers arrive
//! in the order in which the server sends them: a notice belongs to the first message that is not answered completely.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use refit_model::wording::counted;

use crate::connect::Notice;

/// How many notices of a step are kept.
const KEPT: usize = 100;
/// How many characters of each.
const CHARACTERS: usize = 2_000;

/// The notices of the steps that run on a connection of Refit's own.
#[derive(Clone, Default)]
pub(crate) struct StepNotices(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    /// The messages that were sent, in order, without those at the front that were answered.
    sent: VecDeque<Sent>,
    said: HashMap<Arc<str>, Said>,
}

struct Sent {
    stem: Arc<str>,
    is_answered: Box<dyn Fn() -> bool + Send + Sync>,
}

/// What the server said while a step ran.
#[derive(Default)]
struct Said {
    notices: Vec<Notice>,
    /// How many more there were.
    omitted: usize,
}

impl fmt::Debug for StepNotices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StepNotices")
    }
}

impl StepNotices {
    /// Adds a message with a text of the step `stem`, before it is sent. `is_answered` is called when a notice arrives.
    pub(crate) fn sent(&self, stem: &str, is_answered: impl Fn() -> bool + Send + Sync + 'static) {
        let mut log = self.log();
        log.forget_answered();
        log.sent.push_back(Sent { stem: stem.into(), is_answered: Box::new(is_answered) });
    }

    /// Adds a notice that has just arrived; returns the stem of its step, if a step is running.
    pub(crate) fn add(&self, notice: &Notice) -> Option<Arc<str>> {
        let mut log = self.log();
        log.forget_answered();
        let stem = Arc::clone(&log.sent.front()?.stem);
        let said = log.said.entry(Arc::clone(&stem)).or_default();
        match said.notices.len() < KEPT {
            true => said.notices.push(shortened(notice)),
            false => said.omitted += 1,
        }
        Some(stem)
    }

    /// Takes the notices of a step that has ended, or of an attempt at it: the first ones, and how many more there were.
    pub(crate) fn take(&self, stem: &str) -> Vec<Notice> {
        let Said { mut notices, omitted } = self.log().said.remove(stem).unwrap_or_default();
        if omitted > 0 {
            let others = counted(omitted, "more notice");
            notices.push(Notice::new("NOTICE", &format!("{others} omitted")));
        }
        notices
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn forget_answered(&mut self) {
        while self.sent.front().is_some_and(|sent| (sent.is_answered)()) {
            self.sent.pop_front();
        }
    }
}

/// The warnings of a connection, for the report of a run.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    pub(crate) fn add(&self, message: &str) {
        let mut warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.len() < KEPT {
            warnings.push(message.to_owned());
        }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn shortened(notice: &Notice) -> Notice {
    let mut notice = notice.clone();
    if let Some((end, _)) = notice.message.char_indices().nth(CHARACTERS) {
        notice.message.truncate(end);
        notice.message.push('…');
    }
    notice
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn notice(message: &str) -> Notice {
        Notice::new("NOTICE", message)
    }

    #[test]
    fn a_notice_belongs_to_the_first_message_that_is_not_answered() {
        let notices = StepNotices::default();
        assert_eq!(notices.add(&notice("before")), None);
        let answered = Arc::new(AtomicBool::new(false));
        let first = Arc::clone(&answered);
        notices.sent("V1__a", move || first.load(Ordering::Relaxed));
        notices.sent("V2__b", || false);
        assert_eq!(notices.add(&notice("one")).as_deref(), Some("V1__a"));
        answered.store(true, Ordering::Relaxed);
        assert_eq!(notices.add(&notice("two")).as_deref(), Some("V2__b"));
        assert_eq!(notices.take("V1__a"), [notice("one")]);
        assert_eq!(notices.take("V2__b"), [notice("two")]);
        assert!(notices.take("V2__b").is_empty());
    }

    #[test]
    fn a_flood_is_counted() {
        let notices = StepNotices::default();
        notices.sent("V1__a", || false);
        let long = "ä".repeat(CHARACTERS + 5);
        (0..KEPT + 7).for_each(|_| drop(notices.add(&notice(&long))));
        let said = notices.take("V1__a");
        assert_eq!(said.len(), KEPT + 1);
        assert_eq!(said[KEPT], notice("7 more notices omitted"));
        assert_eq!(said[0].message.chars().count(), CHARACTERS + 1);
    }
}
