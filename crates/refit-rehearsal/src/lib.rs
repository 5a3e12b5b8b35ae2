//! Running migrations on a throw-away PostgreSQL, and saying of each statement what it really locked, rewrote, scanned and
//! took.
//!
//! Files go in ([`File`]), a [`Trace`] comes out; [`mismatches`] holds it against what the linter predicts. Tables can be
//! filled with made-up rows first ([`rows`]), since an empty table hides what a statement costs.
//!
//! Only for databases that are thrown away: everything that the files say is done. This crate neither prints nor reads the
//! environment, and a statement that fails is a part of the trace, not an error.

mod batches;
mod error;
mod execute;
mod file;
mod mismatch;
mod observe;
mod probe;
mod rehearse;
pub mod rows;
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
pub use rehearse::{Rehearsal, RehearsalOptions, Step, rehearse};
pub use server::{Place, server_options};
pub use snapshot::{
    Difference, SNAPSHOTS, SnapshotFile, SnapshotStep, Snapshots, Verdict, check_snapshots, snapshots,
};
pub use stairway::Stairway;
pub use trace::{
    Build, Change, Existed, Failure, FileTrace, IndexWork, Lock, RelationKind, Scan, StatementTrace, Trace,
    Wait,
};
