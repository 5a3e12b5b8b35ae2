//! Errors of private servers.

use std::{io, path::PathBuf};

/// Why a server, or a database on it, is not available.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No server binaries were found, and none could be fetched.
    #[error("no server binaries of {requested} found; searched: {searched}; npm: {npm}; {hint}")]
    NoBinaries {
        /// `PostgreSQL`, or `PostgreSQL 17` when a major version was requested.
        requested: String,
        /// The folders that were searched, with what was found there.
        searched: String,
        /// Why the npm package is not available either.
        npm: String,
        /// What to install on this platform.
        hint: String,
    },
    /// The explicit folder is not usable.
    #[error("{} is not usable as the folder of server binaries: {reason}", path.display())]
    BadBinaries {
        /// The explicit folder.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// This process runs as root, and there is no other account to run the server under.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody`; \
         create one (`useradd --system postgres`) or run as an ordinary user"
    )]
    NoAccount,
    /// A program could not be started or exited with an error.
    #[error("{program} failed: {reason}")]
    Program {
        /// The program's path or name.
        program: String,
        /// Exit status and standard error, or why the program did not start.
        reason: String,
    },
    /// The server did not start.
    #[error("the server did not start ({reason}); the end of its log:\n{log}")]
    Start {
        /// Its exit status, or how long the caller waited.
        reason: String,
        /// The last lines of the server's log.
        log: String,
    },
    /// Another process listens on the requested port.
    #[error("port {port} is in use; choose another port, or 0 for any free one")]
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
        "the server is still running {seconds} s after the request to stop; close its connections or use a faster stop mode"
    )]
    StopTimeout {
        /// How long the caller waited, in seconds.
        seconds: u64,
    },
    /// A setting that cannot be written to `postgresql.conf`.
    #[error("`{name}` cannot be set: {reason}")]
    Setting {
        /// The setting's name as given.
        name: String,
        /// What is wrong with the name or the value.
        reason: &'static str,
    },
    /// The name of a detached server is not usable as a file name.
    #[error("`{name}` is not a valid server name: use 1 to 40 lower-case letters, digits, `-` or `_`")]
    Name {
        /// The name as given.
        name: String,
    },
    /// The server's state does not allow the operation.
    #[error("{0}")]
    State(&'static str),
    /// The set for a test database is malformed.
    #[error("invalid migrations for a test database: {0}")]
    Set(Box<refit_model::SetError>),
    /// Connecting to a test database, or applying the set to it, failed.
    #[error("cannot prepare a test database: {}", .0.message())]
    Migrate(Box<refit::Error>),
    /// A file or folder could not be read, written or removed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The server rejected a statement of this crate.
    #[error("{action}: {reason}")]
    Sql {
        /// The operation.
        action: String,
        /// The server's message and SQLSTATE, or why the server could not be reached.
        reason: String,
    },
}

impl Error {
    /// An [`Error::Io`], or [`Error::DiskFull`] when there is no space left.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull { path },
            _ => Error::Io { action, path, source },
        }
    }

    /// An [`Error::Sql`] with the server's message: the driver's Display alone prints "db error".
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
