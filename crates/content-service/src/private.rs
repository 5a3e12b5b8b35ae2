//! The private PostgreSQL that the service runs on when it is given no database.

use refit_devdb::{Server, ServerOptions, StopMode};

use crate::boot::ServeError;

/// The environment whose seeds fill a private database.
pub(crate) const ENVIRONMENT: &str = "development";

/// A server of one's own, thrown away with everything in it.
pub(crate) struct Private {
    server: Server,
    url: String,
}

impl Private {
    /// Starts one; takes about a second the first time.
    pub(crate) async fn start() -> Result<Private, ServeError> {
        let server = tokio::task::spawn_blocking(|| Server::start(ServerOptions::from_env()))
            .await
            .map_err(|error| ServeError::Private(error.into()))?
            .map_err(|error| ServeError::Private(error.into()))?;
        let url = server.url("postgres");
        tracing::warn!(
            postgres = server.binaries().version(),
            "no DATABASE_URL: started a private PostgreSQL; everything in it is thrown away when this process ends"
        );
        tracing::info!("look inside with: psql '{url}'");
        Ok(Private { server, url })
    }

    /// What connects to it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Puts the development seeds in, so that there is something to see.
    pub(crate) async fn seed(&self) -> Result<(), ServeError> {
        let client = refit::connect(&self.url, &refit::ConnectOptions::default()).await?;
        let set = crate::MIGRATIONS.set().map_err(refit::Error::from)?;
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
            Ok(Ok(())) => tracing::info!("the private PostgreSQL is stopped and its data is gone"),
            Ok(Err(error)) => tracing::warn!(%error, "the private PostgreSQL did not stop cleanly"),
            Err(error) => tracing::warn!(%error, "the private PostgreSQL did not stop cleanly"),
        }
    }
}
