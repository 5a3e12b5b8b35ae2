//! Systems whose data is migrated from end to end, on a real server: generated rows in the old shape, requests of the old and the new
//! release, processes that are killed, backups that are restored. What must be true is compared with the rows of the database.
//!
//! The tests play a scenario with few rows, `cargo xtask scenario` with as many as `--rows` says, and `cargo xtask bench scenario`
//! measures it. The migrations are in `tests/scenarios/NAME/migrations`.

pub mod content_versions;
mod fact;
mod process;
mod server;
mod traffic;
mod worker;

pub use fact::Fact;
pub use process::{Ended, Process};
pub use server::PrivateServer;
pub use traffic::{Latencies, Release, Requests, Traffic, percentile};
pub use worker::Worker;

/// The scenarios, by their names on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Scenario {
    /// A CMS becomes multi-site
    ContentVersions,
}
