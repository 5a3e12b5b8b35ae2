//! All backups that are known: those of the folder, and those that only the database knows.

use jiff::Timestamp;
use refit::backup::{BackupRecord, BackupState};
use serde::Serialize;

use crate::error::Error;
use crate::folder::Folder;
use crate::metadata::{Backup, written};
use crate::options::Options;
use crate::session::{Identity, ServerFacts, Session};

/// A backup in a list.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ListedBackup {
    /// The ID; none of a program that has not ended.
    pub id: Option<String>,
    /// `restore-point`, `tables`, `full` or `command`.
    pub kind: String,
    /// Its state.
    pub state: BackupState,
    /// When it began, in UTC, to the millisecond: `2026-11-29T01:02:03.456Z`.
    pub created_at: String,
    /// How long it took.
    pub seconds: Option<f64>,
    /// The size of the file.
    pub bytes: Option<i64>,
    /// The run that it was made for.
    pub run: Option<i64>,
    /// The tables whose rows it holds.
    pub tables: Vec<String>,
    /// The file; none if it is not in the folder.
    pub file: Option<String>,
    /// The SHA-256 of the file.
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

/// Joins the backups of the folder with the records of a database, oldest first. The second part lists documents that cannot be
/// read, each with the reason.
///
/// # Errors
/// [`Error::File`] if the folder cannot be read.
pub fn list(
    records: Vec<BackupRecord>,
    options: &Options,
) -> Result<(Vec<ListedBackup>, Vec<String>), Error> {
    let folder = Folder(options.folder.clone());
    let (documents, problems) = folder.list()?;
    let mut all: Vec<ListedBackup> = Vec::new();
    for record in records {
        let document = documents.iter().find(|document| {
            Some(&document.id) == record.id.as_ref()
                && document.identity.system_identifier == record.system_identifier
        });
        all.push(match document {
            Some(document) => listed(document, &folder),
            None => ListedBackup {
                id: record.id,
                kind: record.kind,
                state: record.state,
                created_at: record.created_at,
                seconds: record.seconds,
                bytes: record.bytes,
                run: record.run,
                tables: record.tables,
                file: None,
                sha256: record.sha256,
                server_version: record.server_version,
                dump_version: record.dump_version,
                system_identifier: record.system_identifier,
                database: record.database,
                error: record.error,
            },
        });
    }
    for document in &documents {
        if all.iter().all(|known| known.id.as_ref() != Some(&document.id)) {
            all.push(listed(document, &folder));
        }
    }
    all.sort_by(|one, other| (&one.created_at, &one.id).cmp(&(&other.created_at, &other.id)));
    Ok((all, problems))
}

fn listed(document: &Backup, folder: &Folder) -> ListedBackup {
    let dump = document.dump.as_ref();
    let file = folder.dump(&document.id);
    ListedBackup {
        id: Some(document.id.clone()),
        kind: document.kind.to_string(),
        state: BackupState::Complete,
        created_at: document.created_at.clone(),
        seconds: Some(document.seconds),
        bytes: dump.map(|dump| i64::try_from(dump.bytes).unwrap_or(i64::MAX)),
        run: document.run,
        tables: dump.map(|dump| dump.tables.iter().map(|table| table.quoted()).collect()).unwrap_or_default(),
        file: dump.filter(|_| file.is_file()).map(|_| file.display().to_string()),
        sha256: dump.map(|dump| dump.sha256.clone()),
        server_version: document.server_version.clone(),
        dump_version: dump.map(|dump| dump.dump_version.clone()),
        system_identifier: document.identity.system_identifier.clone(),
        database: document.identity.database.clone(),
        error: None,
    }
}

/// Which backups to remove: those that are beyond the newest `keep`, and older than a time. At least one of the two is given.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Retention {
    /// How many of the newest to keep.
    pub keep: Option<usize>,
    /// Keep those that began at this time or later.
    pub since: Option<Timestamp>,
}

impl Retention {
    /// Keeps backups by number and age: one is removed if neither keeps it.
    pub fn new(keep: Option<usize>, since: Option<Timestamp>) -> Retention {
        Retention { keep, since }
    }
}

/// The backups with files of one database that are to be removed, oldest first. Backups of other databases in the folder are left
/// alone, and so is what a program has made.
///
/// # Errors
/// When the server cannot be asked, or the folder cannot be read.
pub async fn expired(url: &str, retention: &Retention, options: &Options) -> Result<Vec<Backup>, Error> {
    let session = Session::open(url, &options.connect).await?;
    let identity: Identity = ServerFacts::read(&session).await?.identity;
    session.close().await;
    let (mut all, _) = Folder(options.folder.clone()).list()?;
    all.retain(|backup| backup.dump.is_some() && backup.identity == identity);
    let beyond = all.len().saturating_sub(retention.keep.unwrap_or(0));
    all.truncate(beyond);
    let since = retention.since.map(written);
    all.retain(|backup| since.as_ref().is_none_or(|since| backup.created_at < *since));
    if retention.keep.is_none() && retention.since.is_none() {
        all.clear();
    }
    Ok(all)
}

/// Removes the files of a backup.
///
/// # Errors
/// [`Error::File`] if one cannot be removed.
pub fn remove(backup: &Backup, options: &Options) -> Result<(), Error> {
    Folder(options.folder.clone()).remove(backup)
}
