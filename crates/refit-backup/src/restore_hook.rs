//! Rows of a backup in place of a down file.

use std::sync::Arc;

use refit::{Hook, HookFuture, HookRun, HookStep, StepKind};
use refit_lint::{Input, predict};
use refit_model::{MigrationSet, Version};

use crate::error::Error;
use crate::hook::{NEWEST, touched_tables};
use crate::options::Options;
use crate::restore::{RestoreRequest, plan_restore, restore};

/// Undoes migrations that have no down file by restoring the rows of a backup, before the step of each: all rows of the tables that
/// it touched, in one transaction. What was written to them since the backup is lost.
///
/// The versions are named in [`Rollback::by_hook`](refit::Rollback::by_hook). If a rollback is killed, the next one restores the
/// rows again. It opens connections of its own, to `url`.
///
/// ```no_run
/// use refit::Rollback;
/// use refit_backup::{Options, RestoreHook};
///
/// # async fn example(migrator: refit::Migrator, url: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let set = migrator.set()?.clone();
/// let hook = RestoreHook::new(url, "20261129T010203Z-4f2a9c", &[13], set, Options::new("/var/backups/app"))?;
/// let rollback = Rollback { to: 12, by_hook: vec![13], ..Rollback::default() };
/// migrator.hook(hook).rollback(url, &rollback).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RestoreHook {
    url: String,
    id: String,
    /// The tables of each version.
    tables: Vec<(Version, Vec<String>)>,
    options: Options,
}

/// Without the URL, which may contain a password.
impl std::fmt::Debug for RestoreHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreHook")
            .field("id", &self.id)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

impl RestoreHook {
    /// A hook that restores the tables of some versions of a set from a backup.
    ///
    /// # Errors
    /// [`Error::Refused`] if a migration has statements other than INSERT, UPDATE, DELETE, MERGE and TRUNCATE, which rows do not
    /// undo; or if it may change tables that cannot be determined.
    pub fn new(
        url: impl Into<String>,
        id: impl Into<String>,
        versions: &[Version],
        set: Arc<MigrationSet>,
        options: Options,
    ) -> Result<RestoreHook, Error> {
        let tables = versions.iter().map(|version| Ok((*version, changed_tables(&set, *version)?)));
        let tables = tables.collect::<Result<_, Error>>()?;
        Ok(RestoreHook { url: url.into(), id: id.into(), tables, options })
    }

    /// The tables that it restores, each once.
    pub fn tables(&self) -> Vec<String> {
        let mut all: Vec<String> = self.tables.iter().flat_map(|(_, tables)| tables.clone()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    async fn undo(&self, run: HookRun<'_>, step: HookStep<'_>) -> Result<(), Error> {
        let found = self.tables.iter().find(|(version, _)| Some(*version) == step.version);
        let Some((_, tables)) = found.filter(|_| step.kind == StepKind::Undo) else { return Ok(()) };
        let request = RestoreRequest {
            url: &self.url,
            id: &self.id,
            tables: tables.clone(),
            other_database: false,
            matching_columns: false,
            state_schema: run.state.map_or("refit", |state| state.schema()),
        };
        let plan = plan_restore(&request, &self.options).await?;
        restore(&plan, &request, &self.options).await?;
        tracing::info!(backup = self.id, migration = step.stem, "rows restored");
        Ok(())
    }
}

impl Hook for RestoreHook {
    fn sees_steps(&self) -> bool {
        true
    }

    fn uses_session(&self) -> bool {
        false
    }

    fn before_step<'a>(&'a self, run: HookRun<'a>, step: HookStep<'a>) -> HookFuture<'a> {
        Box::pin(async move { Ok(self.undo(run, step).await?) })
    }
}

/// The tables that a migration changes, if it changes nothing but rows.
fn changed_tables(set: &MigrationSet, version: Version) -> Result<Vec<String>, Error> {
    let Some(migration) = set.migration(version) else {
        return Err(Error::Refused(format!("there is no version {version}")));
    };
    let input = Input::of_folder(&migration.path, migration.sql.as_bytes(), false);
    let statements = predict(&[input], set.settings().postgres.unwrap_or(NEWEST));
    if let Some(other) = statements.iter().find(|one| !one.changes_only_rows()) {
        let text = migration.sql.get(other.span.start as usize..other.span.end as usize).unwrap_or_default();
        return Err(Error::Refused(format!(
            "{} changes more than rows, which no backup of rows undoes: {}; write its down file",
            migration.path,
            refit_model::visible_line(text.lines().next().unwrap_or_default())
        )));
    }
    touched_tables(set, [(StepKind::Versioned, Some(version), migration.stem.as_str())])
}
