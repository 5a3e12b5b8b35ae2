//! A rollback that takes from a backup what neither a journal nor a down file undoes.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use refit::{Connection, Migrator, Rollback, RollbackPlan, UndoRefusal};
use refit_backup::{RestoreHook, RestoreRequest, plan_restore};
use refit_model::{MigrationSet, Version};

use crate::backups::RunBackup;
use crate::context::Context;
use crate::database::Database;
use crate::interrupt::interruptible;
use crate::render;

/// Where a rollback takes place.
pub(crate) struct Place<'a> {
    pub(crate) set: &'a MigrationSet,
    pub(crate) database: &'a Database,
    pub(crate) connection: &'a Connection,
    pub(crate) context: &'a Context,
}

/// The migrator and the rollback that restore from a backup what the plan refuses for want of a down file. What the restore would
/// lose is shown.
///
/// # Errors
/// When the backup does not have the rows from before the migrations, or cannot be restored; or if a migration changed more than rows.
pub(crate) async fn from_backup(
    id: &str,
    backup: &RunBackup,
    (migrator, rollback): (Migrator, Rollback),
    plan: &RollbackPlan,
    place: &Place<'_>,
) -> anyhow::Result<(Migrator, Rollback)> {
    let Place { set, database, connection, context } = place;
    let versions: Vec<Version> = plan.refusals.iter().filter_map(UndoRefusal::without_down).collect();
    if versions.is_empty() {
        return Ok((migrator, rollback));
    }
    let options = backup.location().options(context);
    let set = Arc::new((*set).clone());
    let hook = RestoreHook::new(database.url(), id, &versions, set, options.clone())?;
    let state = migrator.state(connection).await?;
    let request = RestoreRequest {
        url: database.url(),
        id,
        tables: hook.tables(),
        other_database: false,
        // Columns that newer migrations added are gone when the rows are restored.
        matching_columns: true,
        state_schema: state.schema(),
    };
    let found = interruptible(&context.interrupt, context.out, plan_restore(&request, &options)).await??;
    let made: Timestamp = found.created_at.parse().context("the backup has no valid time")?;
    for row in migrator.status(connection).await?.applied {
        let applied = row.applied_on.parse::<Timestamp>();
        if versions.contains(&row.version) && applied.is_ok_and(|applied| made >= applied) {
            bail!(
                "the backup {id} was made when version {} ({}) was applied already; give one from before",
                row.version,
                refit_model::visible_line(&row.name)
            );
        }
    }
    context.out.note(render::backups::restore_plan(&found));
    Ok((migrator.hook(hook), Rollback { by_hook: versions, ..rollback }))
}
