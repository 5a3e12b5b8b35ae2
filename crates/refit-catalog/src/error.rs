//! Why a schema could not be read, or a document not be understood.

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused a query, or the connection broke.
    #[error("reading {what} failed: {}", said(source))]
    Server {
        /// What was being read, such as `columns`.
        what: &'static str,
        /// What the driver says.
        source: tokio_postgres::Error,
    },
    /// Other sessions kept changing the schema.
    #[error(
        "the schema kept changing while it was read ({attempts} attempts; last: {last}); \
         read again when no migration runs"
    )]
    Changing {
        /// How often it was tried.
        attempts: u32,
        /// What gave the change away.
        last: String,
    },
    /// A server older than 14.
    #[error("PostgreSQL {version} is too old to be read; 14 is the oldest")]
    TooOld {
        /// As the server tells it.
        version: String,
    },
    /// There are objects that the model does not know, and the reader was told to be strict.
    #[error(
        "the model does not know {}; without `strict` they are listed by name, and their properties are not compared",
        names.join(", ")
    )]
    Unknown {
        /// Kind and name of each.
        names: Vec<String>,
    },
    /// A document is not a catalog's JSON.
    #[error("not a catalog: {0}; write it anew from the database")]
    Document(String),
}

/// PostgreSQL's own words where there are any: the driver's say "db error".
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(database) => format!("{} (SQLSTATE {})", database.message(), database.code().code()),
        None => error.to_string(),
    }
}
