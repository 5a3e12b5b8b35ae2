//! Proves that a backup can be restored: on a private server, with the same rows afterwards.

use refit::Target;
use refit_devdb::Server;
use serde::Serialize;

use crate::digest::digest;
use crate::error::Error;
use crate::folder::Folder;
use crate::metadata::{Backup, Dump};
use crate::options::{Options, Progress};
use crate::program;
use crate::session::Session;
use crate::tools;

/// The database on the private server.
const DATABASE: &str = "refit_verify";

/// The outcome of a verification.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// The backup.
    pub id: String,
    /// The version of the private server.
    pub server_version: String,
    /// Each table.
    pub tables: Vec<VerifiedTable>,
    /// What the private server could not create, such as extensions that it lacks. Rows are complete nevertheless.
    pub warnings: Vec<String>,
}

impl Verification {
    /// Whether every table has the recorded rows.
    pub fn is_good(&self) -> bool {
        self.tables.iter().all(|table| table.problem.is_none())
    }
}

/// A table of a verification.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct VerifiedTable {
    /// The table, qualified and quoted.
    pub table: String,
    /// The rows when the backup was made.
    pub rows: i64,
    /// What differs; none if it has the same rows.
    pub problem: Option<String>,
}

/// Checks the SHA-256 of a backup, restores it into a private server of the same major version, and compares counts and digests
/// of all tables with those of its creation.
///
/// # Errors
/// [`Error::Damaged`] if the file is not the one that was written; [`Error::Refused`] if it is not a dump; and when no server or
/// `pg_restore` is found. Other rows are a result.
pub async fn verify(id: &str, options: &Options) -> Result<Verification, Error> {
    let folder = Folder(options.folder.clone());
    let backup = folder.find(id)?;
    options.began("checking the SHA-256");
    let path = {
        let (folder, backup) = (folder.clone(), backup.clone());
        tokio::task::spawn_blocking(move || folder.check(&backup)).await??
    };
    let Some(dump) = &backup.dump else { return Err(Error::Unknown(format!("{id} has no file"))) };
    let tool = tools::pg_restore(&options.folders, &dump.dump_version).await?;
    options.began("starting a private server");
    let mut server = options.server.clone();
    if server.search.explicit.is_none() {
        server.search.major = Some(backup.server_major);
    }
    let server = tokio::task::spawn_blocking(|| Server::start(server)).await??;
    if server.binaries().major() != backup.server_major {
        return Err(Error::Refused(format!(
            "the backup is of PostgreSQL {}, and the private server is {}",
            backup.server_major,
            server.binaries().version()
        )));
    }
    create_database(&server, &backup, options).await?;
    let url = server.url(DATABASE);
    let target = Target::parse(&url)?;
    let mut warnings = Vec::new();
    for (section, is_needed) in [("pre-data", false), ("data", true)] {
        options.began(format!("restoring the section {section}"));
        let mut command = program::client(&tool.path, &target);
        command.args([
            "--no-owner",
            "--no-privileges",
            "--no-tablespaces",
            "--no-publications",
            "--no-subscriptions",
        ]);
        command.arg(format!("--section={section}"));
        if is_needed {
            command.arg("--exit-on-error");
        }
        let child = program::spawn(command.arg(&path), &tool.path)?;
        let restored = tokio::select! {
            restored = program::wait(child, &tool.path) => restored,
            () = options.interrupt.triggered() => return Err(Error::Interrupted("the private server was removed")),
        };
        match restored {
            Err(error @ Error::Program { .. }) => warnings.push(error.to_string()),
            other => other?,
        }
    }
    let session = Session::open(&url, &options.connect).await?;
    let tables = compare(&session, dump, options).await;
    session.close().await;
    let server_version = server.binaries().version().to_owned();
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(Verification { id: id.to_owned(), server_version, tables, warnings })
}

async fn create_database(server: &Server, backup: &Backup, options: &Options) -> Result<(), Error> {
    let session = Session::open(&server.url("postgres"), &options.connect).await?;
    let encoding = postgres_protocol::escape::escape_literal(&backup.encoding);
    let sql = format!(
        "CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING {encoding} LC_COLLATE 'C' LC_CTYPE 'C'"
    );
    session.batch_execute(&sql).await.map_err(Error::database("creating a private database"))?;
    session.close().await;
    Ok(())
}

async fn compare(session: &Session, dump: &Dump, options: &Options) -> Vec<VerifiedTable> {
    let mut all = Vec::new();
    for table in &dump.tables {
        let problem = match digest(session, &table.schema, &table.name).await {
            Err(error) => Some(error.to_string()),
            Ok(found) if found.rows != table.rows => {
                Some(format!("{} rows instead of {}", found.rows, table.rows))
            }
            Ok(found) => (found.sum != table.digest).then(|| "the values of some rows differ".to_owned()),
        };
        options.report(&Progress::Table(table.quoted()));
        all.push(VerifiedTable { table: table.quoted(), rows: table.rows, problem });
    }
    all
}
