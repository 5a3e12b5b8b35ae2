//! Adopts an existing schema without a history: everything up to a version counts as applied.

use anyhow::bail;
use refit::Connection;
use refit_model::{MigrationSet, Version};

use super::{Proof, Tables, Takeover, Tool};

pub(super) async fn read(
    connection: &Connection,
    tables: &Tables,
    set: &MigrationSet,
    version: Version,
) -> anyhow::Result<Takeover> {
    if set.migration(version).is_none() {
        bail!("there is no version {version} in the migrations folder");
    }
    if let Some(history) = tables.of(connection, Tool::Refinery).await?
        && connection.query_opt(&format!("SELECT FROM {history} LIMIT 1"), &[]).await?.is_some()
    {
        bail!("the database already has a history; `cargo xtask status` shows it");
    }
    let now = jiff::Timestamp::now().to_string();
    let mut takeover = Takeover::new("no tool (baseline)");
    for migration in set.migrations().iter().filter(|migration| migration.version <= version) {
        takeover.add(set, migration.version, &migration.name, now.clone(), |_| Proof::NoChecksum);
    }
    Ok(takeover)
}
