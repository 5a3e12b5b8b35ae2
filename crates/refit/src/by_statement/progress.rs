//! How far an earlier attempt at a step came, and whether the file still says what it did.
//!
//! Statements that only change the session are not counted: they run again in every attempt, and may be added to a file
//! whose first half is done.

use refit_model::{Statement, StatementKind};

use crate::error::Error;
use crate::state::Earlier;
use crate::step::Step;

/// Where to go on.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Statements that are complete.
    pub(super) done: usize,
    /// Their checksum; empty when there are none.
    pub(super) checksum: String,
    /// Whether the one after them may have been interrupted in the middle.
    pub(super) interrupted: bool,
}

impl Progress {
    /// Goes on where the earlier attempt ended.
    ///
    /// # Errors
    /// [`Error::EditedWhileHalfDone`] when what it completed is no longer what the file begins with: neither running
    /// that again nor leaving it out would be right.
    pub(super) fn resume(
        step: &Step<'_>,
        statements: &[Statement<'_>],
        earlier: &Earlier,
    ) -> Result<Progress, Error> {
        let counted = statements.iter().filter(|statement| statement.kind != StatementKind::Session);
        let done = counted.take(earlier.done);
        let checksum = done.fold(String::new(), |before, statement| checksum(&before, statement));
        if checksum != earlier.checksum {
            return Err(Error::EditedWhileHalfDone { path: step.path.to_owned(), done: earlier.done });
        }
        Ok(Progress { done: earlier.done, checksum, interrupted: earlier.interrupted })
    }
}

/// Checksum of a statement and all before it, given theirs. It is refinery's, which stays the same from release to
/// release.
pub(super) fn checksum(before: &str, statement: &Statement<'_>) -> String {
    let migration = refinery_core::Migration::unapplied("V0__done", &format!("{before}\n{}", statement.text));
    // The name is a good one, so this does not fail; if it did, a restart would find an edit and stop.
    migration.map_or_else(|_| "none".to_owned(), |migration| migration.checksum().to_string())
}
