//! What a rollback does with the rows of a backfill.

use serde::Serialize;

/// What happens to a backfill's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "rows", rename_all = "snake_case")]
#[non_exhaustive]
pub enum UndoBackfill {
    /// Their earlier values are restored.
    Restores {
        /// The table of earlier values, qualified and quoted.
        journal: String,
        /// About how many rows it has.
        #[serde(rename = "count")]
        rows: i64,
        /// Its size, indexes included.
        bytes: i64,
        /// Whether an earlier rollback has begun to restore them.
        begun: bool,
    },
    /// Those that the backfill inserted are deleted, unless they were changed since.
    Deletes {
        /// The table of the inserted rows, qualified and quoted.
        journal: String,
        /// About how many rows it has.
        #[serde(rename = "count")]
        rows: i64,
        /// Its size, indexes included.
        bytes: i64,
        /// Whether an earlier rollback has begun to delete them.
        begun: bool,
    },
    /// An earlier rollback restored them.
    Restored,
    /// The backfill has never begun, so there is nothing to restore.
    NotBegun,
    /// They stay as they are, apart from what the down file does.
    Left,
}
