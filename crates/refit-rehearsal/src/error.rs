//! What keeps a rehearsal from being one.

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
    #[error("the schema cannot be compared: {0}")]
    Catalog(#[from] refit_catalog::Error),
    /// The task that starts the server ended early.
    #[error("the private server was not started: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    pub(crate) fn database(doing: &'static str) -> impl Fn(tokio_postgres::Error) -> Error {
        move |source| Error::Database { doing, source }
    }
}

fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {}", db.code().code(), db.message()),
        None => error.to_string(),
    }
}
