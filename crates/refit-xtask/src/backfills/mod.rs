//! Running, watching and controlling backfills: shared by `migrate`, `rollback` and the `backfill` commands.

mod live;
mod poller;
mod preview;
mod selected;
mod watch;
mod work;

pub(crate) use poller::{ObservedJob, StatusPoller, observe};
pub(crate) use preview::{Previews, preview};
pub(crate) use selected::SelectedBackfill;
pub(crate) use watch::watch;
pub(crate) use work::{Failure, Named, Worked, not_applied, with_progress, work};
