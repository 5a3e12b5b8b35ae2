//! Why a rollback may not run, each with what to do.

use refit_model::Version;
use serde::Serialize;

/// One reason why a rollback may not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum UndoRefusal {
    /// The history has a migration that the set does not have.
    #[error(
        "version {version} ({}) is applied, but this set does not have it: roll back with the release that has its \
         down file",
        refit_model::visible_line(.name)
    )]
    Unknown {
        /// The migration.
        version: Version,
        /// Its name in the history.
        name: String,
    },
    /// The file was edited after it was applied.
    #[error(
        "{path} was edited after it was applied (checksum {applied} in the history, {found} in the file): restore the \
         file, or accept the edit with `cargo xtask repair`"
    )]
    Changed {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// Checksum in the history.
        applied: u64,
        /// Checksum of the file.
        found: u64,
    },
    /// The file was renamed after it was applied.
    #[error(
        "{path} was renamed after it was applied as V{version}__{name}.sql: rename it back, or accept the new name with \
         `cargo xtask repair`"
    )]
    Renamed {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// Its name in the history.
        name: String,
    },
    /// There is no down file.
    #[error(
        "{path} has no {down}: write it, with `SELECT 1;` if there is nothing to undo, or restore its rows from a backup \
         (rollback --from-backup ID)"
    )]
    NoDown {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// The file that is missing.
        down: String,
    },
    /// The down file cannot run.
    #[error("{problem}")]
    Down {
        /// The migration.
        version: Version,
        /// The problem, with the name of the file.
        problem: String,
    },
    /// A backfill keeps no earlier values, and has no down file.
    #[error(
        "{path} is a backfill that keeps no earlier values (`undo = [\"…\"]`) and has no {down}: write it, or leave the \
         rows as they are (--leave-rows {version}, Rollback::leave_rows)"
    )]
    NoJournal {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// The file that is missing.
        down: String,
    },
    /// The journal with the earlier values no longer exists.
    #[error(
        "the earlier values of {path} are gone: {why}; restore them from a backup (rollback --from-backup ID), or leave the rows as they are \
         (--leave-rows {version}, Rollback::leave_rows)"
    )]
    JournalGone {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// Why it no longer exists.
        why: String,
    },
}

impl UndoRefusal {
    /// The version of a migration that has nothing that undoes it: no down file, or no journal.
    pub fn without_down(&self) -> Option<Version> {
        match self {
            UndoRefusal::NoDown { version, .. }
            | UndoRefusal::NoJournal { version, .. }
            | UndoRefusal::JournalGone { version, .. } => Some(*version),
            _ => None,
        }
    }
}
