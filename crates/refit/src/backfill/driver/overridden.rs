//! Records that work on backfills passes closed gates of the environment.

use tokio_postgres::Client;

use crate::environment::admit;
use crate::error::Error;
use crate::migrator::Migrator;
use crate::state::{State, begin_run, end_run};

impl Migrator {
    /// Records the override before the first batch, as a run without steps. The session is pinned.
    pub(super) async fn record_override(&self, client: &Client, state: &State) -> Result<(), Error> {
        let options = &self.planner.options;
        if options.override_reason.is_none() {
            return Ok(());
        }
        let admission = admit(client, options, self.set()?, &[]).await?;
        let Some(overridden) = admission.overridden.filter(|overridden| !overridden.gates.is_empty()) else {
            return Ok(());
        };
        let run = begin_run(client, state, &options.environment, 0, Some(&overridden)).await?;
        end_run(client, state, run, Ok(())).await
    }
}
