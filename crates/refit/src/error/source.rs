//! What an [`Error`](super::Error) has as its source: the server's or the system's part of the message, without secrets.

use std::fmt;
use std::ops::Deref;

use super::{describe, hint};

/// An error of a query of Refit's own, as the source of [`Error::Database`](super::Error::Database).
///
/// `Display` writes message, SQLSTATE, detail and hint in one line, with secrets redacted and control characters escaped. It
/// dereferences to the driver's error, whose own texts are neither redacted nor escaped.
///
/// ```
/// use refit::Error;
///
/// # fn example(error: &Error) {
/// if let Error::Database { doing, source } = error {
///     println!("{doing}: SQLSTATE {:?}", source.code());
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct DatabaseError(tokio_postgres::Error);

impl DatabaseError {
    pub(crate) fn into_driver(self) -> tokio_postgres::Error {
        self.0
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> DatabaseError {
        DatabaseError(error)
    }
}

impl Deref for DatabaseError {
    type Target = tokio_postgres::Error;

    fn deref(&self) -> &tokio_postgres::Error {
        &self.0
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", describe(&self.0), hint::after(&self.0))
    }
}

/// The driver's error is not a source: its text may contain secrets. `Display` includes it without them.
impl std::error::Error for DatabaseError {}

/// Why the last attempt to connect failed, as the source of [`Error::Connect`](super::Error::Connect).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{hint}")]
#[non_exhaustive]
pub struct ConnectError {
    /// The message of the server, the driver or the system.
    pub reason: String,
    /// The next step, with its separator; or empty.
    pub hint: String,
}
