//! Why a batch failed, as it is recorded.

use refit_model::redact::{self, Secrets};
use refit_model::visible_line;

/// The error of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// None when the connection failed.
    pub(crate) sqlstate: Option<String>,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
}

impl Failed {
    /// A failure that the server did not report.
    pub(crate) fn new(sqlstate: &str, message: impl Into<String>) -> Failed {
        Failed { sqlstate: Some(sqlstate.to_owned()), message: message.into(), detail: None }
    }

    /// The same error, with the secrets of the job's statement redacted.
    pub(crate) fn without(self, secrets: &Secrets) -> Failed {
        Failed {
            message: secrets.redact(&self.message),
            detail: self.detail.map(|detail| secrets.redact(&detail)),
            ..self
        }
    }
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Failed {
        match error.as_db_error() {
            Some(db) => Failed {
                sqlstate: Some(db.code().code().to_owned()),
                message: redact::text(db.message()).into_owned(),
                detail: db.detail().map(|detail| redact::detail(db.code().code(), detail)),
            },
            // A value that the driver could not convert does not mean that the connection failed.
            None if !error.is_closed() && error.code().is_none() && is_conversion(&error) => {
                Failed::new("22000", crate::error::describe(&error).to_string())
            }
            None => {
                Failed { sqlstate: None, message: crate::error::describe(&error).to_string(), detail: None }
            }
        }
    }
}

pub(super) fn is_conversion(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    text.starts_with("error serializing") || text.starts_with("error deserializing")
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", visible_line(&self.message))?;
        if let Some(code) = self.sqlstate.as_deref().filter(|code| !code.is_empty()) {
            write!(f, " (SQLSTATE {code})")?;
        }
        match &self.detail {
            Some(detail) => write!(f, "; {}", visible_line(detail)),
            None => Ok(()),
        }
    }
}
