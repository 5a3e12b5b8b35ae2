//! Backfills: rows changed in batches while the service serves.
//!
//! Applying a backfill migration registers a job. Its key space is cut into ranges, which workers lease: tasks of any number of
//! processes on any hosts. A batch is one transaction, in which the rows, the cursor, the counters and the proof of the lease
//! commit together. PostgreSQL is the coordinator, and its clock the only one. Going back is a job too.

mod batch;
mod begin;
mod changes;
mod control;
mod cut;
mod edit;
mod facts;
mod failed;
mod failure_class;
mod finish;
mod function;
mod heap;
mod idle;
mod inspect;
mod job;
mod journal;
mod key;
mod lease;
mod names;
mod not_done;
mod path;
mod preview;
mod readonly;
mod recovery;
mod retention;
mod rights;
mod shape;
mod size;
mod status;
mod strategy;
mod supervisor;
mod throttle;
mod undo;
mod work;
mod worker;

pub use control::{Request, request};
pub use function::{Batch, FunctionError};
pub use key::Key;
pub use preview::{Estimate, Preview, Sample, Subject, preview};
pub use status::{FailedRow, JobStatus, JournalStatus, WorkerStatus};

pub(crate) use edit::{accept_edit, record, register_again};
pub(crate) use function::Functions;
pub(crate) use job::{adopt_jobs, can_begin, is_repeatable, registration, states};
pub(crate) use names::follow;
pub(crate) use throttle::departed::Followers;
pub(crate) use undo::{plan_undo, register_undo};

/// Who finishes backfills, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backfills {
    /// A run works on them to their end, and applies what waited for them.
    Inline,
    /// A run leaves them to a task of its program, which applies what waited for them.
    #[default]
    Background,
    /// A run registers them only: somebody else works on them.
    Hold,
}
