//! Whether a backup can be made: programs, space, archiving, rights. It changes nothing.

use std::path::PathBuf;

use serde::Serialize;

use crate::dump;
use crate::error::Error;
use crate::kind::Kind;
use crate::options::Options;
use crate::session::{ServerFacts, Session};
use crate::tables::{self, Table};
use crate::tools::{self, Tool};

/// What a backup of a kind needs, and what there is.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The kind of backup.
    pub kind: Kind,
    /// The version of the server.
    pub server_version: String,
    /// The role that connects.
    pub role: String,
    /// Every `pg_dump` that was found; the chosen one is used.
    pub pg_dump: Vec<Tool>,
    /// Every `pg_restore` that was found, for `verify` and `restore`.
    pub pg_restore: Vec<Tool>,
    /// The folder of the backups.
    pub folder: PathBuf,
    /// Free bytes there.
    pub free_bytes: Option<u64>,
    /// The size of the tables that the backup would hold. A dump is compressed, and mostly smaller.
    pub estimated_bytes: u64,
    /// The tables, qualified and quoted.
    pub tables: Vec<String>,
    /// Why restore points would be of no use; none if they are.
    pub restore_point: Option<String>,
    /// What the archiver failed at last, if nothing was archived since.
    pub archive_failure: Option<String>,
    /// Why the backup would be refused; empty if it would not.
    pub problems: Vec<String>,
    /// What may make it fail.
    pub warnings: Vec<String>,
}

/// Examines whether a backup of a kind can be made. For [`Kind::Tables`], `names` are the tables, written as in SQL; those that do
/// not exist are left out. Without names, all tables are examined.
///
/// # Errors
/// When the server cannot be asked. What prevents a backup is a result.
pub async fn doctor(
    url: &str,
    kind: Kind,
    names: Option<&[String]>,
    options: &Options,
) -> Result<Diagnosis, Error> {
    let session = Session::open(url, &options.connect).await?;
    let facts = ServerFacts::read(&session).await?;
    let tables = match (kind, names) {
        (Kind::Tables, Some(names)) => dump::selected(&session, names, true).await?,
        _ => tables::all(&session).await?,
    };
    session.close().await;
    let pg_dump = tools::find(&options.folders, "pg_dump", facts.major, "the server").await;
    let least = pg_dump.iter().find(|tool| tool.chosen).and_then(|tool| tool.major).unwrap_or(facts.major);
    let pg_restore = tools::find(&options.folders, "pg_restore", least, "pg_dump").await;
    let mut diagnosis = Diagnosis {
        kind,
        free_bytes: tools::free_bytes(&options.folder),
        folder: options.folder.clone(),
        estimated_bytes: tables.iter().map(|table| table.bytes).sum(),
        tables: tables.iter().map(Table::quoted).collect(),
        restore_point: dump::no_restore_point(&facts),
        archive_failure: facts.archive_failure.clone(),
        problems: Vec::new(),
        warnings: Vec::new(),
        server_version: facts.version.clone(),
        role: facts.role.clone(),
        pg_dump,
        pg_restore,
    };
    judge(&mut diagnosis, &tables, &facts, options);
    Ok(diagnosis)
}

fn judge(diagnosis: &mut Diagnosis, tables: &[Table], facts: &ServerFacts, options: &Options) {
    match diagnosis.kind {
        Kind::Tables | Kind::Full => {
            let missing = |tools: &[Tool], name, least| {
                tools::chosen(tools, name, least, &options.folders).err().map(|error| error.to_string())
            };

            diagnosis.problems.extend(missing(&diagnosis.pg_dump, "pg_dump", facts.major));
            diagnosis.warnings.extend(missing(&diagnosis.pg_restore, "pg_restore", facts.major));
            diagnosis.problems.extend(tables::lacking(tables, &facts.role));
            if let Some(free) = diagnosis.free_bytes.filter(|free| *free < diagnosis.estimated_bytes) {
                diagnosis.warnings.push(format!(
                    "{} has {} free, and the tables have {}: the backup fits only if it is compressed well",
                    diagnosis.folder.display(),
                    size(free),
                    size(diagnosis.estimated_bytes)
                ));
            }
        }
        Kind::RestorePoint => {
            diagnosis.problems.extend(diagnosis.restore_point.clone());
            if let Some(failure) = &diagnosis.archive_failure {
                diagnosis.warnings.push(format!("the archiver fails: {failure}"));
            }
        }
        Kind::Command if options.command.is_empty() => {
            diagnosis.problems.push("a backup of kind command needs a program".to_owned());
        }
        Kind::Command => {}
    }
}

/// A number of bytes as people read it: `3.2 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} bytes"),
        _ => format!("{value:.1} {}", UNITS.get(unit).copied().unwrap_or_default()),
    }
}
