//! Which backfill is meant.

use anyhow::bail;
use refit::backfill::{JobStatus, Request};
use refit::{Connection, State};
use refit_model::Version;

use crate::context::Context;
use crate::database::Database;

/// A backfill of the database that is named.
pub(super) struct SelectedBackfill {
    connection: Connection,
    state: State,
    version: Version,
}

impl SelectedBackfill {
    /// That of the version that is given, else the only one that is unfinished.
    pub(super) async fn of(given: Option<Version>, context: &Context) -> anyhow::Result<SelectedBackfill> {
        let connection = Database::named(context)?.connect().await?;
        let state = context.operator()?.state(&connection).await?;
        let version = match given {
            Some(version) => version,
            None => the_only(&connection, &state).await?,
        };
        Ok(SelectedBackfill { connection, state, version })
    }

    /// How it stands.
    pub(super) async fn status(&self) -> anyhow::Result<JobStatus> {
        match JobStatus::of(&self.connection, &self.state, self.version).await? {
            Some(status) => Ok(status),
            None => bail!("version {} has no backfill in this database", self.version),
        }
    }

    /// Asks something of it; answers how it stands then.
    pub(super) async fn ask(self, request: Request) -> anyhow::Result<JobStatus> {
        refit::backfill::request(&self.connection, &self.state, self.version, request).await?;
        let status = self.status().await?;
        self.connection.close().await;
        Ok(status)
    }
}

async fn the_only(connection: &Connection, state: &State) -> anyhow::Result<Version> {
    let mut unfinished = JobStatus::all(connection, state).await?;
    unfinished.retain(|status| status.state != refit::backfill::JobState::Complete);
    match &unfinished[..] {
        [] => bail!("no backfill is unfinished in this database"),
        [one] => Ok(one.version),
        several => {
            let named = several.iter().map(|status| {
                let state = if status.is_paused() { "paused" } else { status.state.as_str() };
                format!("\n  {}  {}  ({state})", status.version, status.name)
            });
            bail!(
                "which one? several backfills are unfinished; name one by its version:{}",
                named.collect::<String>()
            )
        }
    }
}
