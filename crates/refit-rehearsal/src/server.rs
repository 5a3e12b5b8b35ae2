//! Where a rehearsal takes place: a database on a private server.

use refit_devdb::{Server, ServerOptions};

use crate::error::Error;
use crate::session::open;

/// Where the migrations run.
const DATABASE: &str = "rehearsal";
/// Where they go up and down.
const COPY: &str = "stairway";

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
        let place = Place { server };
        place.administer(&format!("CREATE DATABASE {DATABASE}")).await?;
        Ok(place)
    }

    /// The database, as a URL.
    pub fn url(&self) -> String {
        self.server.url(DATABASE)
    }

    /// A copy of the database, replacing an earlier one. Nobody may be connected to the database meanwhile.
    pub(crate) async fn copy(&self) -> Result<String, Error> {
        self.administer(&format!("DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")).await?;
        self.administer(&format!("CREATE DATABASE {COPY} TEMPLATE {DATABASE}")).await?;
        Ok(self.server.url(COPY))
    }

    async fn administer(&self, sql: &str) -> Result<(), Error> {
        let client = open(&self.server.url("postgres"), "refit rehearsal, databases").await?;
        client.batch_execute(sql).await.map_err(Error::database("making a database"))?;
        client.close().await;
        Ok(())
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
