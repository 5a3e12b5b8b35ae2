//! Whether a database begins with a checkpoint, and its history afterwards. Pure.
//!
//! *Invariant*: only a new database does, and only if nothing else depends on its migrations being run one by one.

use refit_model::{Checkpoint, MigrationSet};

use super::compute::Requested;
use crate::history::{History, HistoryRow};

/// The schema for which checkpoints are written.
const SCHEMA: &str = "public";

/// The checkpoint of the set, if the database begins with it: nothing was applied, all that it contains was requested, and the
/// session creates objects where a checkpoint does.
pub(super) fn applies<'s>(
    set: &'s MigrationSet,
    history: &History,
    requested: &Requested<'_>,
) -> Option<&'s Checkpoint> {
    let checkpoint = set.checkpoint().filter(|_| requested.checkpoints)?;
    let is_new =
        history.versioned.is_empty() && history.repeatable.is_empty() && history.elsewhere.is_empty();
    let is_requested = requested.packages.is_none() && requested.to.is_none_or(|to| to >= checkpoint.version);
    let is_there = history.current_schema.as_deref() == Some(SCHEMA);
    (is_new && is_requested && is_there).then_some(checkpoint)
}

/// The history once the database has begun with a checkpoint.
pub(super) fn after(checkpoint: &Checkpoint, set: &MigrationSet, history: &History) -> History {
    let squashed = set.migrations().iter().filter(|migration| migration.version <= checkpoint.version);
    let row = |migration: &refit_model::Migration| HistoryRow {
        version: migration.version,
        name: migration.name.clone(),
        checksum: migration.checksum,
    };
    History { versioned: squashed.map(row).collect(), ..history.clone() }
}
