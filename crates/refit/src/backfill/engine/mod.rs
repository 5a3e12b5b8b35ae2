//! The machinery of backfills: jobs, ranges, leases, batches, workers and the throttle.
//!
//! *Invariant*: it depends on no migrator, plan or run. Connections and jobs are passed in.

pub(crate) mod batch;
pub(crate) mod begin;
pub(crate) mod changes;
pub(crate) mod control;
pub(crate) mod cut;
pub(crate) mod edit;
pub(crate) mod facts;
pub(crate) mod failed;
pub(crate) mod failure_class;
pub(crate) mod finish;
pub(crate) mod function;
pub(crate) mod heap;
pub(crate) mod idle;
pub(crate) mod inserted;
pub(crate) mod inspect;
pub(crate) mod job;
pub(crate) mod journal;
pub(crate) mod key;
pub(crate) mod lease;
pub(crate) mod names;
pub(crate) mod not_done;
pub(crate) mod path;
pub(crate) mod preview;
pub(crate) mod readonly;
pub(crate) mod recovery;
pub(crate) mod rights;
pub(crate) mod shape;
pub(crate) mod size;
pub(crate) mod status;
pub(crate) mod strategy;
pub(crate) mod supervisor;
pub(crate) mod throttle;
pub(crate) mod trial;
pub(crate) mod worker;

pub use control::{Request, request};
pub use function::{Batch, FunctionError};
pub use key::Key;
pub use preview::{Estimate, Preview, Sample, Subject, preview};

pub(crate) use edit::{accept_edit, record, register_again};
pub(crate) use function::Functions;
pub(crate) use job::{adopt_jobs, can_begin, is_repeatable, registration, registration_in, states};
pub(crate) use names::follow;
pub(crate) use throttle::departed::Followers;
