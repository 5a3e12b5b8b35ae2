//! What a backfill keeps for its rollback.

use serde::{Deserialize, Serialize};

/// What a backfill keeps, so that `cargo xtask rollback` can undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "`undo` is a list of columns, such as [\"n\"], or a table, such as { inserted = \"forms\" }"
)]
pub enum Undo {
    /// The earlier values of these columns, which are restored.
    Columns(Vec<String>),
    /// The rows that it inserts into a table, which are deleted.
    Inserted(Inserted),
}

/// The table into which a backfill inserts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inserted {
    /// Its name, written as in SQL.
    pub inserted: String,
}

impl Default for Undo {
    fn default() -> Undo {
        Undo::Columns(Vec::new())
    }
}

impl Undo {
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.inserted().is_none() && self.columns().is_empty()
    }

    /// The columns whose earlier values are kept.
    pub fn columns(&self) -> &[String] {
        match self {
            Undo::Columns(columns) => columns,
            Undo::Inserted(_) => &[],
        }
    }

    /// The table whose inserted rows are kept.
    pub fn inserted(&self) -> Option<&str> {
        match self {
            Undo::Columns(_) => None,
            Undo::Inserted(Inserted { inserted }) => Some(inserted),
        }
    }
}
