//! Backfills: rows changed in batches while the service runs.
//!
//! Applying a backfill migration registers a job. Its key space is cut into ranges, which workers lease: tasks of any number of
//! processes on any hosts. A batch is one transaction, in which the rows, the cursor, the counters and the proof of the lease
//! commit together. PostgreSQL is the coordinator, and its clock the only one. An undo is a job too.

pub(crate) mod driver;
pub(crate) mod engine;

pub use engine::{Batch, Estimate, FunctionError, Key, Preview, Request, Sample, Subject, preview, request};

pub use crate::report::{FailedRow, JobKind, JobRequest, JobState, JobStatus, JournalStatus, WorkerStatus};
