//! What bars the way back, each with the way out.

use refit_model::Version;
use serde::Serialize;

/// One reason why a rollback may not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum UndoRefusal {
    /// The history has a migration that the set does not have.
    #[error(
        "version {version} ({}) is applied, and these migrations do not have it: go back with the release that \
         has its down file",
        refit_model::visible_line(.name)
    )]
    Unknown {
        /// The migration.
        version: Version,
        /// Its name in the history.
        name: String,
    },
    /// The text is no longer what was applied.
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
    /// The text is what was applied, under another name.
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
    #[error("{path} has no {down}: write it; `SELECT 1;` where nothing is to be undone")]
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
        /// What is wrong with it, with the file's name.
        problem: String,
    },
    /// A backfill keeps nothing, and has no down file.
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
    /// The earlier values are no longer there.
    #[error(
        "the earlier values of {path} are gone: {why}; restore them from a backup, or leave the rows as they are \
         (--leave-rows {version}, Rollback::leave_rows)"
    )]
    JournalGone {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// Since when, or by whom.
        why: String,
    },
}
