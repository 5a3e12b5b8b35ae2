//! Notices: messages of the server that are not errors, such as those of `RAISE NOTICE` and `RAISE WARNING` in a migration.

use std::fmt;
use std::sync::{Arc, OnceLock};

use futures_util::StreamExt;
use refit_model::redact;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Connection};

use crate::error::{describe, shown};

/// A message of the server that is not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Notice {
    /// `WARNING`, `NOTICE`, `INFO`, …
    pub severity: String,
    /// The message with detail and hint; secrets are redacted and control characters escaped.
    pub message: String,
}

impl Notice {
    pub(crate) fn new(severity: &str, message: &str) -> Notice {
        Notice { severity: severity.to_owned(), message: message.to_owned() }
    }

    fn of(error: &DbError) -> Notice {
        let mut message = shown(error.message());
        if let Some(detail) = error.detail() {
            message.push_str(&format!("; detail: {}", shown(&redact::detail(error.code().code(), detail))));
        }
        if let Some(hint) = error.hint() {
            message.push_str(&format!("; hint: {}", shown(hint)));
        }
        let severity =
            error.parsed_severity().map_or_else(|| error.severity().to_owned(), |parsed| parsed.to_string());
        Notice { severity, message }
    }

    /// Whether its severity is `WARNING`.
    ///
    /// ```no_run
    /// # fn example(connection: refit::Connection) {
    /// connection.on_notice(|notice| {
    ///     if notice.is_warning() {
    ///         eprintln!("{}", notice.message);
    ///     }
    /// });
    /// # }
    /// ```
    pub fn is_warning(&self) -> bool {
        self.severity == "WARNING"
    }
}

type Handler = dyn Fn(Notice) + Send + Sync;

/// The handler of a connection's notices.
#[derive(Clone, Default)]
pub(super) struct Notices(Arc<OnceLock<Box<Handler>>>);

impl Notices {
    pub(super) fn handle(&self, handler: impl Fn(Notice) + Send + Sync + 'static) {
        // The first one stays: a connection has one user.
        self.0.set(Box::new(handler)).ok();
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}

/// Drives a connection to its end.
pub(super) async fn drive<S, T>(mut connection: Connection<S, T>, notices: Notices)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut messages = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
    while let Some(message) = messages.next().await {
        match message {
            Ok(AsyncMessage::Notice(notice)) => {
                if let Some(handler) = notices.0.get() {
                    handler(Notice::of(&notice));
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(error = %describe(&error), "the connection ended");
                return;
            }
        }
    }
}
