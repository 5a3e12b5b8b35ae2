//! Working on backfills and watching them: what `migrate`, `rollback` and the `backfill` commands share.

mod live;
mod poller;
mod render;
mod work;

pub(crate) use live::{Lines, TICK};
pub(crate) use poller::{ObservedJob, StatusPoller, look};
pub(crate) use render::{blocks, unfinished_lines, who_goes_on};
pub(crate) use work::{Failure, Named, Worked, in_sight, not_applied, work};
