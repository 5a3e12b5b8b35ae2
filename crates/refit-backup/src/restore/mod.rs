//! Restores the rows of a backup: refuses what does not fit, shows what would be lost, and replaces rows in one transaction.
//!
//! *Invariant*: nothing is changed before the file's hash, the identity of the database and the columns were checked.

mod apply;
mod fit;
mod keys;
mod load;
mod loss;
mod whole;

use std::path::PathBuf;

use refit::Target;
use serde::Serialize;

pub use self::loss::Loss;

use crate::error::Error;
use crate::folder::Folder;
use crate::metadata::Backup;
use crate::options::Options;
use crate::session::{ServerFacts, Session};
use crate::tables;

/// Which backup to restore, and where.
#[derive(Debug, Clone)]
pub struct RestoreRequest<'a> {
    /// The database.
    pub url: &'a str,
    /// The ID.
    pub id: &'a str,
    /// The tables, written as in SQL; all of the backup if it is empty.
    pub tables: Vec<String>,
    /// Whether the database may be another one than that of the backup.
    pub other_database: bool,
    /// Whether to restore only the columns that the backup and a table have in common, if they are not the same.
    pub matching_columns: bool,
    /// The schema of Refit's records, whose tables are left alone.
    pub state_schema: &'a str,
}

/// A restore that has been checked and not begun.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RestorePlan {
    /// The backup.
    pub id: String,
    /// When it was made, in UTC.
    pub created_at: String,
    /// The database to restore into: user, host, port and name.
    pub address: String,
    /// Whether the database is empty, and the schema is created as well.
    pub creates_schema: bool,
    /// What would be lost, by table.
    pub tables: Vec<Loss>,
    /// Columns that are left out, by table.
    pub warnings: Vec<String>,
    #[serde(skip)]
    backup: Backup,
    #[serde(skip)]
    path: PathBuf,
    #[serde(skip)]
    pieces: Vec<fit::Piece>,
}

/// What a restore did.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Restored {
    /// Each table with the number of its rows now.
    pub tables: Vec<(String, i64)>,
    /// Sequences that were moved forward.
    pub sequences: Vec<String>,
}

/// Checks a restore, and counts what it would change. Nothing is changed.
///
/// # Errors
/// [`Error::Damaged`] if the file is truncated or altered; [`Error::Refused`] if the backup is of another database, or cannot be
/// restored by Refit; [`Error::DoesNotFit`] if tables are missing or have other columns.
pub async fn plan_restore(request: &RestoreRequest<'_>, options: &Options) -> Result<RestorePlan, Error> {
    let target = Target::parse(request.url)?;
    let folder = Folder(options.folder.clone());
    let backup = folder.find(request.id)?;
    if !backup.kind.is_dump() {
        return Err(Error::Refused(fit::not_a_dump(&backup)));
    }
    options.began("checking the SHA-256");
    let path = {
        let (folder, backup) = (folder, backup.clone());
        tokio::task::spawn_blocking(move || folder.check(&backup)).await??
    };
    let session = Session::open(request.url, &options.connect).await?;
    let facts = ServerFacts::read(&session).await?;
    let is_own = facts.identity == backup.identity;
    if !is_own && !request.other_database {
        return Err(Error::Refused(fit::of_another(&backup, &facts)));
    }
    let selected = fit::selected(&backup, request)?;
    let existing = tables::all(&session).await?;
    let creates_schema = existing.is_empty() && request.tables.is_empty();
    let (mut pieces, mut losses, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    if !creates_schema {
        pieces = fit::pieces(&session, &selected, &existing, request.matching_columns, &mut warnings).await?;
        for piece in &pieces {
            options.began(format!("counting {}", piece.rows.quoted()));
            let comparable = piece.is_whole && facts.major == backup.server_major;
            losses.push(loss::of(&session, &piece.rows, &backup, comparable, is_own).await?);
        }
    }
    session.close().await;
    Ok(RestorePlan {
        id: backup.id.clone(),
        created_at: backup.created_at.clone(),
        address: target.address(),
        creates_schema,
        tables: losses,
        warnings,
        backup,
        path,
        pieces,
    })
}

/// Carries out a restore, in one transaction: if anything fails, or the process is killed, the database is as before.
///
/// # Errors
/// When a statement or program fails, or the restored rows are not those of the backup; nothing is changed then. The one exception:
/// a database that was empty may be found to have other rows after `pg_restore` has committed, which the error says.
pub async fn restore(
    plan: &RestorePlan,
    request: &RestoreRequest<'_>,
    options: &Options,
) -> Result<Restored, Error> {
    let work = async {
        match plan.creates_schema {
            true => whole::create(plan, request.url, options).await,
            false => apply::replace(plan, request.url, options).await,
        }
    };
    tokio::select! {
        outcome = work => outcome,
        () = options.interrupt.triggered() => Err(Error::Interrupted("the restore was rolled back")),
    }
}
