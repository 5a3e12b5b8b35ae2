//! Previews of backfills that are unfinished or pending: some batches run and are rolled back.

use anyhow::bail;
use refit::backfill::{JobKind, JobState, JobStatus, Preview, Subject, preview as preview_of};
use refit::{Connection, Migrator, State};
use refit_model::{MigrationSet, Version};
use serde::Serialize;

use super::work::not_applied;

/// The previews, as a JSON document.
#[derive(Serialize)]
pub(crate) struct Previews {
    pub(crate) backfills: Vec<Preview>,
    /// The backfills whose migrations are not applied.
    #[serde(skip)]
    pub(crate) pending: Vec<Version>,
    /// The first pending migration, which they may need.
    #[serde(skip)]
    pub(crate) first_pending: Option<String>,
}

/// Previews one backfill, or all that are unfinished or pending, with a number of batches each.
///
/// # Errors
/// When there is no such backfill, or the database cannot be asked.
pub(crate) async fn preview(
    migrator: &Migrator,
    connection: &Connection,
    version: Option<Version>,
    sample: u32,
) -> anyhow::Result<Previews> {
    let set = migrator.set()?.clone();
    let plan = migrator.plan(connection).await?;
    let mut pending: Vec<Version> = not_applied(&plan, &set).iter().map(|named| named.version).collect();
    let state = migrator.state(connection).await?;
    let mut registered = registered(connection, &state).await?;
    if let Some(version) = version {
        registered.retain(|unfinished| *unfinished == version);
        pending.retain(|waiting| *waiting == version);
        if registered.is_empty() && pending.is_empty() {
            bail!("version {version} has no backfill that is unfinished or pending");
        }
    }
    let mut backfills = Vec::new();
    for subject in subjects(&registered, &pending, &set) {
        backfills.push(preview_of(connection, &state, subject, sample).await?);
    }
    let first_pending = plan.pending.iter().find(|step| !step.backfill).map(|step| step.stem.clone());
    Ok(Previews { backfills, pending, first_pending })
}

async fn registered(connection: &Connection, state: &State) -> anyhow::Result<Vec<Version>> {
    let all = JobStatus::all(connection, state).await?;
    Ok(all
        .iter()
        .filter(|status| status.state != JobState::Complete && status.kind == JobKind::Forward)
        .map(|status| status.version)
        .collect())
}

fn subjects<'a>(registered: &[Version], pending: &[Version], set: &'a MigrationSet) -> Vec<Subject<'a>> {
    let registered = registered.iter().map(|version| Subject::Registered(*version));
    let pending = pending.iter().filter_map(|version| set.migration(*version)).map(Subject::Migration);
    registered.chain(pending).collect()
}
