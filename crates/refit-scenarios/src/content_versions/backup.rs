//! Rollback by the backup that was made before the change.

use anyhow::Context;
use refit_backup::{Kind, RestoreRequest};

use super::folder::Folder;
use super::{Options, Play, verify};
use crate::Fact;

/// Whether this machine has a `pg_dump` for the server.
pub(super) async fn is_possible(options: &Options, folder: &Folder) -> anyhow::Result<bool> {
    let backups = refit_backup::Options::new(folder.backups());
    let found = refit_backup::doctor(&options.url, Kind::Tables, None, &backups).await?;
    Ok(found.problems.is_empty())
}

impl Play<'_> {
    /// Rows are lost after a rollback; the backup of the first run brings them back.
    pub(super) async fn restore(&mut self, before: &verify::Before) -> anyhow::Result<()> {
        self.say("back to the old release, which loses rows; the backup brings them back");
        self.worker("the rollback", &["--rollback-to", "1"])?.succeed().await?;
        let damage = "DELETE FROM content_versions WHERE id % 10 = 3; \
                      UPDATE content_versions SET body = 'overwritten', locale = NULL WHERE id % 10 = 4";
        self.client.batch_execute(damage).await?;
        let damaged = verify::restored(&self.client, before, "and damaged").await?;
        self.facts.push(Fact::holds("the damage is noticed", !damaged.holds, damaged.found, "other rows"));

        let state = self.migrator()?.state(&self.client).await?;
        let records = refit::backup::all(&self.client, &state).await?;
        let options = refit_backup::Options::new(self.folder.backups());
        let (backups, problems) = refit_backup::list(records, &options)?;
        anyhow::ensure!(problems.is_empty(), "backups cannot be read: {problems:?}");
        // The first one was made before anything was changed.
        let first = backups.iter().find(|backup| backup.file.is_some()).context("the run made no backup")?;
        let request = RestoreRequest {
            url: &self.options.url,
            id: first.id.as_deref().context("the backup has no ID")?,
            tables: Vec::new(),
            other_database: false,
            matching_columns: false,
            state_schema: state.schema(),
        };
        let plan = refit_backup::plan_restore(&request, &options).await?;
        refit_backup::restore(&plan, &request, &options).await?;
        self.facts.extend(verify::rolled_back(&self.client, before, "by the backup").await?);
        Ok(())
    }
}
