//! Where a rehearsal takes place: a database on a private server.

use refit_devdb::{Server, ServerOptions};

use crate::error::Error;

/// A private server with an empty database, gone with the value.
#[derive(Debug)]
pub struct Place {
    server: Server,
}

impl Place {
    /// Starts a server; see [`server_options`] for what it must be like.
    ///
    /// # Errors
    /// [`Error::Server`] when it does not come up.
    pub async fn start(options: ServerOptions) -> Result<Place, Error> {
        let server = tokio::task::spawn_blocking(|| Server::start(options)).await??;
        Ok(Place { server })
    }

    /// The database, as a URL.
    pub fn url(&self) -> String {
        self.server.url("postgres")
    }

    /// The server's version, as in `15.18`.
    pub fn version(&self) -> &str {
        self.server.binaries().version()
    }

    /// Its major version.
    pub fn major(&self) -> u32 {
        self.server.binaries().major()
    }
}

/// Settings that a trace needs, over those given: nothing but the migrations takes locks or reads tables.
pub fn server_options(options: ServerOptions) -> ServerOptions {
    options
        .setting("autovacuum", "off")
        .setting("max_connections", "200")
        .setting("max_prepared_transactions", "10")
}
