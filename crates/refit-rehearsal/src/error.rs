//! What keeps a rehearsal from being one.

use std::path::{Path, PathBuf};

use crate::trace::Failure;

/// Why nothing could be observed. A migration's own failure is no error: it stands in the trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The private server did not come up.
    #[error("no private PostgreSQL to run on: {0}")]
    Server(#[from] refit_devdb::Error),
    /// A session could not be opened.
    #[error("no session for the rehearsal: {0}")]
    Connect(#[from] refit::Error),
    /// A question to the server failed that has nothing to do with the migrations' own statements.
    #[error("{doing} failed: {}", said(.source))]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What the server or the driver said.
        source: tokio_postgres::Error,
    },
    /// The schema could not be read.
    #[error(transparent)]
    Catalog(#[from] refit_catalog::Error),
    /// A migration fails, so that there is no schema to keep.
    #[error("{path}:{}:{}: {}{}", .failure.line, .failure.column, .failure.message,
            .failure.sqlstate.as_ref().map_or(String::new(), |code| format!(" (SQLSTATE {code})")))]
    Failed {
        /// The file, relative to the folder.
        path: String,
        /// How.
        failure: Box<Failure>,
    },
    /// A file of snapshots could not be read or written.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A task of its own, such as the one that starts the server, ended early.
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::File { doing, path, source }
    }

    pub(crate) fn database(doing: &'static str) -> impl Fn(tokio_postgres::Error) -> Error {
        move |source| Error::Database { doing, source }
    }
}

fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {}", db.code().code(), refit_model::redact::text(db.message())),
        None => error.to_string(),
    }
}
