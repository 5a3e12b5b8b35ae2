//! The kinds of backups.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A named point in the write-ahead log (`pg_create_restore_point`), for point-in-time recovery. Needs WAL archiving.
    RestorePoint,
    /// The rows of some tables, and the definitions of the whole schema, by `pg_dump`.
    Tables,
    /// The whole database, by `pg_dump`.
    Full,
    /// Whatever a program makes; its standard output is the ID.
    Command,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 4] = [Kind::RestorePoint, Kind::Tables, Kind::Full, Kind::Command];

    /// Its name: `restore-point`, `tables`, `full` or `command`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::RestorePoint => "restore-point",
            Kind::Tables => "tables",
            Kind::Full => "full",
            Kind::Command => "command",
        }
    }

    /// Whether it is a file that `pg_dump` writes.
    pub fn is_dump(self) -> bool {
        matches!(self, Kind::Tables | Kind::Full)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let found = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| {
            format!("`{text}` is not a kind of backup; use restore-point, tables, full or command")
        })
    }
}
