//! What is known of a complete backup: the JSON document beside its file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::session::Identity;
use crate::tables::{Column, Sequence, quoted};

/// The format of the document. It grows only if readers of older formats would misunderstand the new one.
pub(crate) const FORMAT: u32 = 1;

/// A time as documents have it, so that texts compare as times do.
pub(crate) fn written(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A complete backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Backup {
    /// The format of the document.
    pub format: u32,
    /// The ID that commands take.
    pub id: String,
    /// Its kind.
    pub kind: Kind,
    /// When it began, in UTC, to the millisecond: `2026-11-29T01:02:03.456Z`.
    pub created_at: String,
    /// How long it took.
    pub seconds: f64,
    /// The id of the run that it was made for; none if it was made by hand.
    pub run: Option<i64>,
    /// The version of Refit.
    pub refit_version: String,
    /// The version of the server.
    pub server_version: String,
    /// The major version of the server.
    pub server_major: u32,
    /// The database.
    #[serde(flatten)]
    pub identity: Identity,
    /// The encoding of the database.
    pub encoding: String,
    /// The file that `pg_dump` wrote; none of other kinds.
    pub dump: Option<Dump>,
}

/// A file of `pg_dump`, in its custom format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Dump {
    /// The file, relative to the folder of the backups.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// The version of `pg_dump`.
    pub dump_version: String,
    /// The transactions that it sees.
    pub snapshot: Snapshot,
    /// The tables whose rows it holds.
    pub tables: Vec<TableRows>,
}

/// Which transactions a dump sees: all before `xmax`, except those in `running`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The first transaction id that had not been assigned, with its epoch.
    pub xmax: i64,
    /// Transactions that were running, with their epochs.
    pub running: Vec<i64>,
}

/// The rows of a table in a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableRows {
    /// The schema.
    pub schema: String,
    /// The table.
    pub name: String,
    /// The number of rows.
    pub rows: i64,
    /// The sum of the server's hashes (`hashtextextended`) of all rows as text.
    pub digest: String,
    /// The columns, in the order of the dump, without generated ones.
    pub columns: Vec<Column>,
    /// The sequences that its columns own.
    pub sequences: Vec<Sequence>,
}

impl TableRows {
    /// Its qualified name, with quotes where SQL needs them.
    pub fn quoted(&self) -> String {
        quoted(&self.schema, &self.name)
    }
}
