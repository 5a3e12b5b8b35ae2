//! Errors of backups.

use std::path::{Path, PathBuf};

use refit::DatabaseError;

/// Why a backup could not be made, verified, removed or restored. No message contains a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Refit could not connect, or its records could not be read.
    #[error("{}", .0.message())]
    Refit(#[from] refit::Error),
    /// A query failed.
    #[error("{doing} failed: {source}")]
    Database {
        /// The operation.
        doing: String,
        /// The server's error.
        source: DatabaseError,
    },
    /// The backup was refused before anything ran.
    #[error("{0}")]
    Refused(String),
    /// No `pg_dump` or `pg_restore` can be used.
    #[error("{0}")]
    NoProgram(String),
    /// A program failed.
    #[error("{program} failed ({status}){}", indented(.stderr))]
    Program {
        /// Its name.
        program: String,
        /// Its exit status.
        status: String,
        /// The end of its standard error, without secrets.
        stderr: String,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// The operation, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// There is no usable backup of that ID.
    #[error("{0}")]
    Unknown(String),
    /// The file is not the one that was written.
    #[error("the backup {id} is damaged: {reason}")]
    Damaged {
        /// The backup.
        id: String,
        /// What differs.
        reason: String,
    },
    /// The rows of the backup do not fit the tables.
    #[error("{0}")]
    DoesNotFit(String),
    /// It was interrupted; nothing was changed.
    #[error("interrupted; {0}")]
    Interrupted(&'static str),
    /// The private server for a verification did not start.
    #[error("cannot start a private PostgreSQL: {0}")]
    Server(#[from] refit_devdb::Error),
    /// A background task panicked or was canceled.
    #[error("a background task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    pub(crate) fn database(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Error {
        move |source| Error::Database { doing: doing.into(), source: source.into() }
    }

    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::File { doing, path: path.to_owned(), source }
    }
}

fn indented(stderr: &str) -> String {
    stderr.lines().map(|line| format!("\n  {line}")).collect()
}
