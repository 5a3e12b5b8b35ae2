//! Private, throw-away PostgreSQL servers, and migrated databases for tests.
//!
//! A [`Server`] is a private PostgreSQL: a cluster in a temporary folder, reached through a Unix socket that only its
//! user can open (or through loopback with a password). It starts in a fraction of a second and is removed when the
//! process that started it ends, even by SIGKILL. Binaries come from the machine, else from npm; as root the server
//! runs under another account.
//!
//! This crate never touches a server that it did not start, listens only on sockets and loopback, prints nothing, and
//! reads the environment only in the `from_env` constructors.

#[cfg(not(unix))]
compile_error!("refit-devdb needs a Unix system; on Windows use it inside WSL");

mod account;
mod binaries;
mod cluster;
mod detached;
mod error;
mod files;
mod folder;
mod migration_test;
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
pub use migration_test::{MigrationTest, check_migration};
pub use options::{Listen, ServerOptions};
pub use search::Search;
pub use server::{Server, StopMode};
pub use testdb::TestDb;
