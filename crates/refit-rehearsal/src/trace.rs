//! What was observed: plain data in the form of the JSON output.

use std::time::Duration;

use refit_lint::LockMode;
use serde::{Serialize, Serializer};

use crate::rows::Filled;

/// The result of tracing files.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Trace {
    /// The server's version, as in `15.18`.
    pub postgres: String,
    /// The tables that were filled with generated rows, in that order.
    pub rows: Vec<Filled>,
    /// The traced files in the order of execution, and an untraced file if it failed.
    pub files: Vec<FileTrace>,
    /// Files that did not run, and why.
    pub skipped: Vec<(String, String)>,
}

impl Trace {
    /// The statements of all files.
    pub fn statements(&self) -> impl Iterator<Item = &StatementTrace> {
        self.files.iter().flat_map(|file| &file.statements)
    }

    /// The statement that failed, if any: nothing ran after it.
    pub fn failure(&self) -> Option<&StatementTrace> {
        self.statements().find(|statement| statement.failure.is_some())
    }
}

/// The trace of one file.
#[derive(Debug, Clone, Serialize)]
pub struct FileTrace {
    /// Its path, as the caller gave it.
    pub path: String,
    /// Whether it ran in one transaction.
    pub transaction: bool,
    /// The statements that ran.
    pub statements: Vec<StatementTrace>,
}

/// What one statement did to objects that existed before it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StatementTrace {
    /// The file's path, as the caller gave it.
    pub path: String,
    /// The number of the statement in the file, from 1.
    pub statement: usize,
    /// Its offset in the normalised text, in bytes.
    #[serde(skip)]
    pub start: usize,
    /// One past its last byte.
    #[serde(skip)]
    pub end: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1, in characters.
    pub column: usize,
    /// How long it took, without waits for the observing sessions. For a backfill, the sum of all batches.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// For a backfill: the number of batches that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batches: Option<usize>,
    /// Locks that it took and the transaction did not already hold; only the strongest per relation.
    pub locks: Vec<Lock>,
    /// All locks on tables that the transaction held after the statement, including earlier ones.
    #[serde(skip)]
    pub held: Vec<Lock>,
    /// Tables that got a new file.
    pub rewritten: Vec<String>,
    /// Tables that were scanned sequentially.
    pub scanned: Vec<Scan>,
    /// Tables that were read through an index.
    #[serde(skip)]
    pub looked_up: Vec<String>,
    /// Indexes on existing tables that were built or rebuilt.
    pub indexes: Vec<IndexWork>,
    /// Changed rows, by table.
    pub changed: Vec<Change>,
    /// The failure, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Tables, partitioned tables and materialised views that existed before it.
    #[serde(skip)]
    pub existed: Vec<Existed>,
    /// Whether it ran outside a transaction, where locks do not last until they are observed.
    #[serde(skip)]
    pub outside: bool,
    /// Whether it contains IF EXISTS or IF NOT EXISTS, and may do nothing.
    #[serde(skip)]
    pub guarded: bool,
    /// Whether its effects were observed and counted.
    #[serde(skip)]
    pub counted: bool,
}

/// A table that existed before a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existed {
    /// Its name.
    pub table: String,
    /// Its ancestors: the tables that it is a partition of or inherits from.
    pub above: Vec<String>,
    /// Whether the same migration created it, so that no other session can be waiting for it.
    pub is_new: bool,
    /// Whether it is partitioned, and so has no rows of its own.
    pub is_partitioned: bool,
}

/// What kind of relation a lock is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationKind {
    /// A table, partitioned or not.
    Table,
    /// A materialised view.
    MaterializedView,
    /// An index.
    Index,
    /// A sequence.
    Sequence,
    /// A view.
    View,
    /// A foreign table or any other relation.
    Other,
}

/// A lock on a relation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lock {
    /// The relation, qualified if its schema is not `public`.
    pub object: String,
    /// The kind of relation.
    pub kind: RelationKind,
    /// The mode, as LOCK TABLE spells it.
    #[serde(serialize_with = "displayed")]
    pub mode: LockMode,
}

/// A sequential scan of a whole table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Scan {
    /// The table.
    pub table: String,
    /// The number of rows read.
    pub rows: i64,
}

/// How an index was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// It was created.
    Built,
    /// It was rebuilt into a new file.
    Rebuilt,
}

/// An index that a statement built.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct IndexWork {
    /// The index.
    pub index: String,
    /// Its table.
    pub table: String,
    /// Whether it was built or rebuilt.
    pub work: Build,
}

/// The numbers of rows of a table that a statement changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The table.
    pub table: String,
    /// Inserted rows.
    pub inserted: i64,
    /// Updated rows.
    pub updated: i64,
    /// Deleted rows.
    pub deleted: i64,
}

/// How a statement failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// SQLSTATE; none if the statement was not sent or the connection was lost.
    pub sqlstate: Option<String>,
    /// The error message.
    pub message: String,
    /// The server's DETAIL.
    pub detail: Option<String>,
    /// The server's HINT.
    pub hint: Option<String>,
    /// The line of the error, or that of the statement, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

/// How long other sessions had to wait for a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// The table.
    pub table: String,
    /// The number of the statement that first took the strongest lock on it, from 1.
    pub statement: usize,
    /// The longest time to read one row.
    #[serde(rename = "reader_milliseconds", serialize_with = "milliseconds")]
    pub reader: Duration,
    /// The longest time to take a writer's lock.
    #[serde(rename = "writer_milliseconds", serialize_with = "milliseconds")]
    pub writer: Duration,
}

fn displayed<S: Serializer>(mode: &LockMode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(mode)
}

pub(crate) fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}
