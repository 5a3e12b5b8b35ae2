//! Runs migrations on a throw-away PostgreSQL and records what each statement locked, rewrote and scanned, and how long it
//! took.
//!
//! [`trace`] turns a list of [`File`]s into a [`Trace`]; [`mismatches`] compares it with the linter's predictions. Tables can
//! be filled with generated rows first ([`rows`]), because an empty table hides the cost of a statement.
//!
//! Only for throw-away databases: every statement of the files is executed. This crate prints nothing and does not read the
//! environment. A statement that fails is part of the trace, not an error.

mod error;
mod execute;
mod failure;
mod file;
mod mismatch;
mod observe;
mod probe;
mod rehearse;
pub mod rows;
mod schema_after;
mod server;
mod session;
mod snapshot;
mod stairway;
mod trace;

pub use error::Error;
pub use execute::{Options, trace};
pub use file::{File, in_order, runs};
pub use mismatch::{Mismatch, mismatches};
pub use refit_lint::LockMode;
pub use rehearse::{Rehearsal, RehearsalOptions, RehearsalStep, rehearse};
pub use schema_after::schema_after;
pub use server::{RehearsalServer, server_options};
pub use snapshot::{
    Difference, SNAPSHOTS, SnapshotFile, SnapshotStep, Snapshots, Verdict, check_snapshots, snapshots,
};
pub use stairway::Stairway;
pub use trace::{
    Build, Change, Existed, Failure, FileTrace, IndexWork, Lock, RelationKind, Scan, StatementTrace, Trace,
    Wait,
};
