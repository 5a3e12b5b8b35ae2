//! The step of a checkpoint, and its record: the history rows of all migrations that it replaces.

use postgres_protocol::escape::escape_literal;
use refit_model::{Checkpoint, MigrationSet};

use super::step::Step;
use crate::plan::StepKind;
use crate::preflight::Preflight;

impl<'a> Step<'a> {
    /// The step with which a new database begins.
    pub(crate) fn checkpoint(checkpoint: &'a Checkpoint) -> Step<'a> {
        Step {
            kind: StepKind::Checkpoint,
            version: None,
            name: &checkpoint.name,
            stem: &checkpoint.stem,
            path: &checkpoint.path,
            sql: &checkpoint.sql,
            instead: None,
            checksum: 0,
            transaction: true,
            lock_timeout: None,
            checks: Vec::new(),
        }
    }
}

/// A part of the step's WITH that records the migrations up to the checkpoint as refinery would.
pub(crate) fn record_checkpoint(checkpoint: &Checkpoint, set: &MigrationSet, facts: &Preflight) -> String {
    let squashed = set.migrations().iter().filter(|migration| migration.version <= checkpoint.version);
    let rows: Vec<String> = squashed
        .map(|migration| {
            format!("({}, {}, '{}')", migration.version, escape_literal(&migration.name), migration.checksum)
        })
        .collect();
    format!(
        "INSERT INTO {} (version, name, applied_on, checksum) SELECT version, name, \
         pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), checksum \
         FROM (VALUES {}) AS squashed (version, name, checksum)",
        facts.history_table,
        rows.join(", ")
    )
}
