//! The private server that a rehearsal runs on.

use refit_devdb::{Server, ServerOptions};

use crate::error::Error;
use crate::session::open;

/// The database that the migrations run in.
const DATABASE: &str = "rehearsal";
/// The copy for up, down, up.
const COPY: &str = "stairway";

/// A private server with an empty database, removed on drop.
#[derive(Debug)]
pub struct RehearsalServer {
    server: Server,
}

impl RehearsalServer {
    /// Starts a server; see [`server_options`] for the settings that it needs.
    ///
    /// # Errors
    /// [`Error::Server`] when it does not start.
    pub async fn start(options: ServerOptions) -> Result<RehearsalServer, Error> {
        let server = tokio::task::spawn_blocking(|| Server::start(options)).await??;
        let server = RehearsalServer { server };
        server.administer(&format!("CREATE DATABASE {DATABASE}")).await?;
        Ok(server)
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        self.server.url(DATABASE)
    }

    /// Creates another empty database; returns its URL.
    ///
    /// # Errors
    /// [`Error::Database`] when the server refuses it, for instance because there is one with this name.
    pub async fn create_database(&self, name: &str) -> Result<String, Error> {
        self.administer(&format!("CREATE DATABASE {}", refit_model::quoted_name(name))).await?;
        Ok(self.server.url(name))
    }

    /// Copies the database, replacing an earlier copy; returns the copy's URL. No session may be connected to the database.
    pub(crate) async fn copy(&self) -> Result<String, Error> {
        self.administer(&format!("DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")).await?;
        self.administer(&format!("CREATE DATABASE {COPY} TEMPLATE {DATABASE}")).await?;
        Ok(self.server.url(COPY))
    }

    async fn administer(&self, sql: &str) -> Result<(), Error> {
        let client = open(&self.server.url("postgres"), "databases").await?;
        client.batch_execute(sql).await.map_err(Error::database("creating a database"))?;
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

/// Adds the settings that a trace needs: only the migrations may take locks and read tables.
pub fn server_options(options: ServerOptions) -> ServerOptions {
    options
        .setting("autovacuum", "off")
        .setting("max_connections", "200")
        .setting("max_prepared_transactions", "10")
}
