//! The private PostgreSQL of a service without a configured database.

use refit_devdb::{Server, ServerOptions, StopMode};

use crate::migrations::MIGRATIONS;
use crate::serve_error::ServeError;

/// The environment of a private database, whose seeds are loaded.
pub(crate) const ENVIRONMENT: &str = "development";

/// A private server, removed with its data.
pub(crate) struct Private {
    server: Server,
    url: String,
}

impl Private {
    /// Starts the server; takes about a second the first time.
    pub(crate) async fn start() -> Result<Private, ServeError> {
        let server = tokio::task::spawn_blocking(|| Server::start(ServerOptions::from_env()))
            .await
            .map_err(|error| ServeError::Private(error.into()))?
            .map_err(|error| ServeError::Private(error.into()))?;
        let url = server.url("postgres");
        tracing::warn!(
            postgres = server.binaries().version(),
            "no DATABASE_URL: started a private PostgreSQL; its data is deleted when this process ends"
        );
        tracing::info!("connect with: psql '{url}'");
        Ok(Private { server, url })
    }

    /// The URL of its database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Loads the development seeds as example content.
    pub(crate) async fn seed(&self) -> Result<(), ServeError> {
        let client = refit::connect(&self.url, &refit::ConnectOptions::default()).await?;
        let set = MIGRATIONS.set().map_err(refit::Error::from)?;
        for seed in set.seeds().iter().filter(|seed| seed.environment == ENVIRONMENT) {
            client.batch_execute(&seed.sql).await.map_err(|error| ServeError::Private(error.into()))?;
            tracing::info!(path = seed.path, "seeded");
        }
        Ok(())
    }

    /// Stops it and removes its files.
    pub(crate) async fn stop(mut self) {
        let stopped = tokio::task::spawn_blocking(move || self.server.stop(StopMode::Fast)).await;
        match stopped {
            Ok(Ok(())) => tracing::info!("the private PostgreSQL was stopped and its data deleted"),
            Ok(Err(error)) => tracing::warn!(%error, "the private PostgreSQL did not stop cleanly"),
            Err(error) => tracing::warn!(%error, "the private PostgreSQL did not stop cleanly"),
        }
    }
}
