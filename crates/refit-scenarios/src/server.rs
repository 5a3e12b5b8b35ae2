//! The private server on which a scenario is played.

use refit_devdb::{Error, Server, ServerOptions, StopMode};

/// A private PostgreSQL with memory for some millions of rows, and stock settings otherwise. It is found as by
/// [`ServerOptions::from_env`].
#[derive(Debug)]
pub struct PrivateServer(Server);

impl PrivateServer {
    /// Starts it.
    ///
    /// # Errors
    /// When no PostgreSQL is found, or it does not start.
    pub async fn start() -> anyhow::Result<PrivateServer> {
        let options =
            ServerOptions::from_env().setting("shared_buffers", "256MB").setting("max_wal_size", "4GB");
        let server: Result<Server, Error> = tokio::task::spawn_blocking(|| Server::start(options)).await?;
        Ok(PrivateServer(server?))
    }

    /// The URL of its empty database.
    pub fn url(&self) -> String {
        self.0.url("postgres")
    }

    /// The version of PostgreSQL.
    pub fn version(&self) -> &str {
        self.0.binaries().version()
    }

    /// Stops it and removes its files.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        Ok(tokio::task::spawn_blocking(move || self.0.stop(StopMode::Fast)).await??)
    }
}
