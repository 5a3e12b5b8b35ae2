//! What a rollback does with the rows of a backfill.

use serde::Serialize;

/// What becomes of a backfill's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "rows", rename_all = "snake_case")]
#[non_exhaustive]
pub enum UndoBackfill {
    /// They get their earlier values back.
    Restores {
        /// The table of earlier values, qualified and quoted.
        journal: String,
        /// About how many there are in it.
        #[serde(rename = "count")]
        rows: i64,
        /// Its size, indexes included.
        bytes: i64,
        /// Whether an earlier rollback has begun with it.
        begun: bool,
    },
    /// An earlier rollback has restored them.
    Restored,
    /// It has never begun, so there is nothing to restore.
    NotBegun,
    /// They stay as they are, but for what the down file does.
    Left,
}
