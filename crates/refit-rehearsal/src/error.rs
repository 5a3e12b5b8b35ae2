//! Errors of rehearsals.

use std::path::{Path, PathBuf};

use crate::trace::Failure;

/// Why a rehearsal could not run. The failure of a migration is not an error but part of the trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The private server did not start.
    #[error("cannot start a private PostgreSQL: {0}")]
    Server(#[from] refit_devdb::Error),
    /// A session could not be opened, or Refit's executor could not work on the database.
    #[error("cannot use the rehearsal's database")]
    Refit(#[from] refit::Error),
    /// A statement of this crate failed, not one of the migrations.
    #[error("{doing} failed: {}", server_message(.source))]
    Database {
        /// The operation.
        doing: &'static str,
        /// The error of the server or the driver.
        source: tokio_postgres::Error,
    },
    /// The schema could not be read.
    #[error(transparent)]
    Catalog(#[from] refit_catalog::Error),
    /// A migration failed, so there is no schema to write.
    #[error("{path}:{}:{}: {}{}", .failure.line, .failure.column, .failure.message,
            .failure.sqlstate.as_ref().map_or(String::new(), |code| format!(" (SQLSTATE {code})")))]
    Failed {
        /// The file, relative to the folder.
        path: String,
        /// How it failed.
        failure: Box<Failure>,
    },
    /// A snapshot file could not be read or written.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// The operation, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A background task, such as the one that starts the server, panicked or was cancelled.
    #[error("a background task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    /// The error with its source.
    pub(crate) fn message(&self) -> String {
        match self {
            Error::Refit(error) => format!("{self}: {}", error.message()),
            // The others print their source, redacted.
            _ => self.to_string(),
        }
    }

    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::File { doing, path, source }
    }

    pub(crate) fn database(doing: &'static str) -> impl Fn(tokio_postgres::Error) -> Error {
        move |source| Error::Database { doing, source }
    }
}

fn server_message(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {}", db.code().code(), refit_model::redact::text(db.message())),
        None => error.to_string(),
    }
}
