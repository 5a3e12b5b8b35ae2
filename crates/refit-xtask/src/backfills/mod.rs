//! Running and watching backfills: shared by `migrate`, `rollback` and the `backfill` commands.

mod live;
mod poller;
mod render;
mod work;

pub(crate) use live::{Lines, TICK};
pub(crate) use poller::{ObservedJob, StatusPoller, observe};
pub(crate) use render::{blocks, resume_hint, unfinished_lines};
pub(crate) use work::{Failure, Named, Worked, not_applied, with_progress, work};
