//! Which backfill is meant.

use anyhow::bail;
use refit::Connection;
use refit::backfill::JobStatus;
use refit_model::Version;

/// The version that is given, else that of the only backfill that is unfinished.
pub(super) async fn which(connection: &Connection, given: Option<Version>) -> anyhow::Result<Version> {
    if let Some(version) = given {
        return Ok(version);
    }
    let mut unfinished = JobStatus::all(connection).await?;
    unfinished.retain(|status| status.state != "complete");
    match &unfinished[..] {
        [] => bail!("no backfill is unfinished in this database"),
        [one] => Ok(one.version),
        several => {
            let named = several.iter().map(|status| {
                let state = if status.is_paused() { "paused" } else { &status.state };
                format!("\n  {}  {}  ({state})", status.version, status.name)
            });
            bail!(
                "which one? several backfills are unfinished; name one by its version:{}",
                named.collect::<String>()
            )
        }
    }
}

/// The backfill of a version, after something was asked of it.
pub(super) async fn one(connection: &Connection, version: Version) -> anyhow::Result<JobStatus> {
    match JobStatus::of(connection, version).await? {
        Some(status) => Ok(status),
        None => bail!("version {version} has no backfill in this database"),
    }
}
