//! A backup, as it is read from the records of a database.

use serde::Serialize;

use super::BackupState;

/// A row of `refit.backup`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BackupRecord {
    /// The identity of the row.
    #[serde(skip)]
    pub row: i64,
    /// The ID that commands take; none of a command that has not ended.
    pub id: Option<String>,
    /// `restore-point`, `tables`, `full` or `command`.
    pub kind: String,
    /// Its state.
    pub state: BackupState,
    /// When it began, in UTC, as `2026-11-29T01:02:03Z`.
    pub created_at: String,
    /// How long it took.
    pub seconds: Option<f64>,
    /// The size of the file, in bytes.
    pub bytes: Option<i64>,
    /// The run that it was made for.
    pub run: Option<i64>,
    /// The tables whose rows it holds, qualified and quoted.
    pub tables: Vec<String>,
    /// The file, on the machine that made it.
    pub path: Option<String>,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: Option<String>,
    /// The version of the server.
    pub server_version: String,
    /// The version of `pg_dump`.
    pub dump_version: Option<String>,
    /// The system identifier of the server.
    pub system_identifier: String,
    /// The database.
    pub database: String,
    /// Why it failed.
    pub error: Option<String>,
}
