//! Replaces `private` in builds without the feature `private-server`, where a database is required.

use std::convert::Infallible;

use crate::serve_error::ServeError;

/// The environment of a private database.
pub(crate) const ENVIRONMENT: &str = "development";

/// Never constructed.
pub(crate) struct Private(Infallible);

impl Private {
    /// Always fails.
    pub(crate) async fn start() -> Result<Private, ServeError> {
        Err(ServeError::Private("this program is built without the feature `private-server`".into()))
    }

    /// The URL of its database.
    pub(crate) fn url(&self) -> &str {
        match self.0 {}
    }

    /// Loads the development seeds.
    pub(crate) async fn seed(&self) -> Result<(), ServeError> {
        match self.0 {}
    }

    /// Stops it and removes its files.
    pub(crate) async fn stop(self) {
        match self.0 {}
    }
}
