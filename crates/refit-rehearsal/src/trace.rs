//! What was seen: values without behaviour, in the form that machines read.

use std::time::Duration;

use refit_lint::LockMode;
use serde::{Serialize, Serializer};

use crate::rows::Filled;

/// What the traced files did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Trace {
    /// The server's version, as in `15.18`.
    pub postgres: String,
    /// The tables that were filled with made-up rows, in the order in which they were.
    pub rows: Vec<Filled>,
    /// The files in the order in which they ran; only those that were asked for, and one that failed before them.
    pub files: Vec<FileTrace>,
    /// Files that did not run, and why.
    pub skipped: Vec<(String, String)>,
}

impl Trace {
    /// The statements of all files.
    pub fn statements(&self) -> impl Iterator<Item = &StatementTrace> {
        self.files.iter().flat_map(|file| &file.statements)
    }

    /// The statement that failed, if one did: nothing ran after it.
    pub fn failure(&self) -> Option<&StatementTrace> {
        self.statements().find(|statement| statement.failure.is_some())
    }
}

/// What one file did.
#[derive(Debug, Clone, Serialize)]
pub struct FileTrace {
    /// As the caller named it.
    pub path: String,
    /// Whether it ran in one transaction.
    pub transaction: bool,
    /// Its statements, as far as they ran.
    pub statements: Vec<StatementTrace>,
}

/// What one statement did to what was there before it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StatementTrace {
    /// The file, as the caller named it.
    pub path: String,
    /// Which statement of the file, from 1.
    pub statement: usize,
    /// Where it stands, in bytes of the normalised text.
    #[serde(skip)]
    pub start: usize,
    /// One past its last byte.
    #[serde(skip)]
    pub end: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1, in characters.
    pub column: usize,
    /// How long it took, without what was waited for the observers. Of a backfill, all batches together.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// Of a backfill: how many batches ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batches: Option<usize>,
    /// Locks that it took and the transaction did not have before, the strongest of each relation.
    pub locks: Vec<Lock>,
    /// What the transaction held when the statement was done, these and earlier ones; tables only.
    #[serde(skip)]
    pub held: Vec<Lock>,
    /// Tables that are in new files.
    pub rewritten: Vec<String>,
    /// Tables of which every row was read, one after the other.
    pub scanned: Vec<Scan>,
    /// Tables that were looked at by an index.
    #[serde(skip)]
    pub looked_up: Vec<String>,
    /// Indexes on tables that were there before: built, or built anew.
    pub indexes: Vec<IndexWork>,
    /// Rows that were changed.
    pub changed: Vec<Change>,
    /// How it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Tables, partitioned tables and materialised views that were there before it.
    #[serde(skip)]
    pub existed: Vec<Existed>,
    /// Whether it ran where locks come and go: outside a transaction.
    #[serde(skip)]
    pub outside: bool,
    /// Whether it says IF EXISTS or IF NOT EXISTS, and may do nothing.
    #[serde(skip)]
    pub guarded: bool,
    /// Whether what it did could be seen and counted.
    #[serde(skip)]
    pub counted: bool,
}

/// A table that was there before a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existed {
    /// Its name.
    pub table: String,
    /// The tables above it: those that it is a partition of, or inherits from.
    pub above: Vec<String>,
    /// Whether it was made in the same migration, so that nobody else can be waiting for it.
    pub is_new: bool,
    /// Whether it is partitioned, and has no rows of its own.
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
    /// A foreign table, or what else there is.
    Other,
}

/// A lock on a relation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lock {
    /// What is locked, qualified where its schema is not `public`.
    pub object: String,
    /// What it is.
    pub kind: RelationKind,
    /// How, as LOCK TABLE spells it.
    #[serde(serialize_with = "displayed")]
    pub mode: LockMode,
}

/// A table that was read from its first row to its last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Scan {
    /// The table.
    pub table: String,
    /// Rows that were read.
    pub rows: i64,
}

/// What happened to an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// It is new.
    Built,
    /// It is in a new file.
    Rebuilt,
}

/// An index that a statement built.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct IndexWork {
    /// The index.
    pub index: String,
    /// Its table.
    pub table: String,
    /// What happened.
    pub work: Build,
}

/// Rows of a table that a statement changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The table.
    pub table: String,
    /// Rows that came.
    pub inserted: i64,
    /// Rows that were written anew.
    pub updated: i64,
    /// Rows that went.
    pub deleted: i64,
}

/// How a statement failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// SQLSTATE; none when it was not sent, or the connection was cut.
    pub sqlstate: Option<String>,
    /// What the server said.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What it proposes.
    pub hint: Option<String>,
    /// The line that it points to, or that of the statement.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// How long others had to wait for a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// The table.
    pub table: String,
    /// The statement, from 1, that first took the strongest lock on it.
    pub statement: usize,
    /// The longest that one row took to be read.
    #[serde(rename = "reader_milliseconds", serialize_with = "milliseconds")]
    pub reader: Duration,
    /// The longest that a writer's lock took.
    #[serde(rename = "writer_milliseconds", serialize_with = "milliseconds")]
    pub writer: Duration,
}

fn displayed<S: Serializer>(mode: &LockMode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(mode)
}

pub(crate) fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}
