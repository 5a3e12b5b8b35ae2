//! Helpers for the tests of several members: sets written inline, queries for assertions, labelled cases for the linter,
//! PgBouncer, and a browser. Members have it as a dev-dependency only; the benchmarks read the labelled cases too.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be, helpers included")]

pub mod browser;
mod cases;
mod database;
mod files;
pub mod pgbouncer;
pub mod schema_changes;

pub use cases::{LabelledCase, labelled_cases};
pub use database::{execute, execute_at, major, server, until, value, value_at};
pub use files::{conformance, folder, set, workspace, write};
