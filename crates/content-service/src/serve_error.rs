//! Why the service stops or does not start.

use std::net::SocketAddr;

/// Why the service stopped or did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is in use or not an address of this machine.
    #[error("cannot listen on {address}; choose another address with --listen")]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// No private server could be started.
    #[error("cannot run a private PostgreSQL; give a database with DATABASE_URL instead")]
    Private(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database cannot be reached, or a migration failed.
    #[error(transparent)]
    Refit(#[from] refit::Error),
    /// The connection pool cannot be created.
    #[error("cannot create the connection pool")]
    Pool(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The HTTP server exited.
    #[error("the HTTP server stopped unexpectedly")]
    Server(#[source] std::io::Error),
}
