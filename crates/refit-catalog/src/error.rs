//! Errors of reading a schema or a document.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused a query, or the connection was lost.
    #[error("reading {what} failed: {}", said(source))]
    Server {
        /// What was being read, such as `columns`.
        what: &'static str,
        /// The driver's error.
        source: tokio_postgres::Error,
    },
    /// Other sessions kept changing the schema.
    #[error(
        "the schema kept changing while it was read ({attempts} attempts; last: {last}); \
         read again when no migration runs"
    )]
    Changing {
        /// Number of attempts.
        attempts: u32,
        /// The sign by which the change was detected.
        last: String,
    },
    /// A server older than 14.
    #[error("PostgreSQL {version} is too old to be read; 14 is the oldest")]
    TooOld {
        /// Its version, as reported.
        version: String,
    },
    /// The database has objects that the model does not support, and `strict` is set.
    #[error(
        "the model does not support {}; without `strict` they are listed by name, and their properties are not compared",
        names.join(", ")
    )]
    Unknown {
        /// Kind and name of each.
        names: Vec<String>,
    },
    /// A document is not a catalog's JSON.
    #[error("not a catalog: {0}; generate it again from the database")]
    Document(String),
}

/// PostgreSQL's own message if there is one: the driver only says "db error".
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(database) => format!("{} (SQLSTATE {})", database.message(), database.code().code()),
        None => error.to_string(),
    }
}
