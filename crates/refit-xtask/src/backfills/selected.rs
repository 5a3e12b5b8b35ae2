//! Selects the backfill that a command works on.

use anyhow::bail;
use refit::backfill::{JobState, JobStatus, Request};
use refit::{Connection, State};
use refit_model::Version;

use crate::context::Context;
use crate::database::Database;

/// A backfill of the named database.
pub(crate) struct SelectedBackfill {
    connection: Connection,
    state: State,
    version: Version,
}

impl SelectedBackfill {
    /// The backfill of the given version, else the only unfinished one.
    pub(crate) async fn of(given: Option<Version>, context: &Context) -> anyhow::Result<SelectedBackfill> {
        let connection = Database::named(context)?.connect().await?;
        let state = context.operator()?.state(&connection).await?;
        let version = match given {
            Some(version) => version,
            None => only_unfinished(&connection, &state).await?,
        };
        Ok(SelectedBackfill { connection, state, version })
    }

    /// Reads its status.
    pub(crate) async fn status(&self) -> anyhow::Result<JobStatus> {
        match JobStatus::of(&self.connection, &self.state, self.version).await? {
            Some(status) => Ok(status),
            None => bail!("version {} has no backfill in this database", self.version),
        }
    }

    /// Sends a request and returns the new status.
    pub(crate) async fn request(self, request: Request) -> anyhow::Result<JobStatus> {
        refit::backfill::request(&self.connection, &self.state, self.version, request).await?;
        let status = self.status().await?;
        self.connection.close().await;
        Ok(status)
    }
}

async fn only_unfinished(connection: &Connection, state: &State) -> anyhow::Result<Version> {
    let mut unfinished = JobStatus::all(connection, state).await?;
    unfinished.retain(|status| status.state != JobState::Complete);
    match &unfinished[..] {
        [] => bail!("this database has no unfinished backfill"),
        [one] => Ok(one.version),
        several => {
            let named = several.iter().map(|status| {
                let state = if status.is_paused() { "paused" } else { status.state.as_str() };
                format!("\n  {}  {}  ({state})", status.version, status.name)
            });
            bail!("several backfills are unfinished; give the version of one:{}", named.collect::<String>())
        }
    }
}
