//! What can go wrong between "give me a server" and having one.

use std::{io, path::PathBuf};

/// Why a server, or a database on it, could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither server binaries nor a way to fetch them.
    #[error("no server binaries of {wanted} found; looked in: {looked}; npm: {npm}; {hint}")]
    NoBinaries {
        /// `PostgreSQL`, or `PostgreSQL 17` when a major version was asked for.
        wanted: String,
        /// The folders that were looked at, with what was found there.
        looked: String,
        /// Why the npm package could not serve instead.
        npm: String,
        /// What to install on this platform.
        hint: String,
    },
    /// The folder that was named explicitly cannot be used.
    #[error("{} cannot serve as the folder of server binaries: {reason}", path.display())]
    BadBinaries {
        /// The folder that was named.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// Running as root, and there is no other account to run the server.
    #[error(
        "PostgreSQL refuses to run as root and this machine has neither a user `postgres` nor `nobody`; \
         create one (`useradd --system postgres`) or run as an ordinary user"
    )]
    NoAccount,
    /// A program could not be run, or said no.
    #[error("{program} failed: {reason}")]
    Program {
        /// The program's path or name.
        program: String,
        /// Exit status and what it wrote to standard error, or why it did not start.
        reason: String,
    },
    /// The server did not come up.
    #[error("the server did not start ({reason}); the end of its log:\n{log}")]
    Start {
        /// How it ended, or how long it was waited for.
        reason: String,
        /// The last lines of the server's log.
        log: String,
    },
    /// Somebody else listens on the port that was asked for.
    #[error("port {port} is in use; choose another one, or 0 for any that is free")]
    PortInUse {
        /// The TCP port.
        port: u16,
    },
    /// The file system is full.
    #[error("no space left on the file system of {}; a private server needs about 100 MB there", path.display())]
    DiskFull {
        /// A path on that file system.
        path: PathBuf,
    },
    /// The server did not stop in time.
    #[error(
        "the server still runs {seconds} s after it was asked to stop; close its connections or stop it faster"
    )]
    StopTimeout {
        /// How long it was waited for, in seconds.
        seconds: u64,
    },
    /// A setting that cannot be written to `postgresql.conf`.
    #[error("`{name}` cannot be set: {reason}")]
    Setting {
        /// The setting's name as it was given.
        name: String,
        /// What is wrong with name or value.
        reason: &'static str,
    },
    /// A name of a detached server that is not usable as a file name.
    #[error("`{name}` cannot name a server: use 1 to 40 lower-case letters, digits, `-` or `_`")]
    Name {
        /// The name as it was given.
        name: String,
    },
    /// The server is not in a state in which this can be done.
    #[error("{0}")]
    State(&'static str),
    /// The set for a test database is malformed.
    #[error("the migrations of a test database: {0}")]
    Set(Box<refit_model::SetError>),
    /// Applying the set to a test database failed, or connecting to it did.
    #[error("a test database: {0}")]
    Migrate(Box<refit::Error>),
    /// A file or folder.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The server refused a statement of ours.
    #[error("{action}: {reason}")]
    Sql {
        /// What was being done.
        action: String,
        /// SQLSTATE and message of the server, or why it could not be reached.
        reason: String,
    },
}

impl Error {
    /// An [`Error::Io`], or [`Error::DiskFull`] when that is what it is.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull { path },
            _ => Error::Io { action, path, source },
        }
    }

    /// An [`Error::Sql`] with the server's own words: the driver's Display alone says "db error".
    pub(crate) fn sql(action: impl Into<String>, error: &postgres::Error) -> Error {
        let reason = match error.as_db_error() {
            Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
            None => {
                let cause = std::error::Error::source(error).map(|c| format!(": {c}")).unwrap_or_default();
                format!("{error}{cause}")
            }
        };
        Error::Sql { action: action.into(), reason }
    }
}
