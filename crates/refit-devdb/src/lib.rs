//! Private, throw-away PostgreSQL servers, and migrated databases for tests.
//!
//! A [`Server`] is a PostgreSQL of one's own: a cluster in a temporary folder, reached by a Unix socket that nobody
//! else can open (or by loopback with a password), up in a fraction of a second and gone with the process that started
//! it, however that ends. Binaries come from the machine, else from npm; as root the server runs under another account.
//!
//! This crate never touches a server that it did not start, listens on nothing but sockets and loopback, and neither
//! prints nor reads the environment outside the `from_env` constructors.

#[cfg(not(unix))]
compile_error!("refit-devdb needs a Unix system; on Windows use it inside WSL");

mod account;
mod binaries;
mod cluster;
mod detached;
mod error;
mod files;
mod folder;
mod npm;
mod options;
mod pinned;
mod search;
mod server;
mod sql;
mod standby;
mod testdb;
mod watchdog;

pub use binaries::Binaries;
pub use detached::Detached;
pub use error::Error;
pub use options::{Listen, ServerOptions};
pub use search::Search;
pub use server::{Server, StopMode};
pub use testdb::TestDb;
