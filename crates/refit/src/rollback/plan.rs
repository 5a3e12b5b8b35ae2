//! The plan of a rollback: what is undone, in which order and how, and why it is refused.

use std::fmt;

use refit_model::{Migration, MigrationFile, MigrationSet, Version};
use serde::Serialize;
use tokio_postgres::Client;

use super::Rollback;
use crate::backfill::driver::plan_undo;
use crate::environment_gate::EnvironmentGate;
use crate::error::{Error, UndoRefusal};
use crate::exec::Down;
use crate::history::checksum::{self, Comparison};
use crate::history::{History, HistoryRow, RESTORING, UNDOING};
use crate::line::{Line, write_lines};
use crate::plan::UndoBackfill;
use crate::state::State;

/// What would be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RollbackPlan {
    /// The environment that the plan is for.
    pub environment: String,
    /// The newest applied version.
    pub current: Option<Version>,
    /// The version that stays; 0 for none.
    pub to: Version,
    /// The newest applied version afterwards.
    pub remaining: Option<Version>,
    /// What would be undone, newest first.
    pub steps: Vec<UndoStep>,
    /// Repeatable migrations: what they made stays, unless a down file removes it, and they run again with the next migrate.
    pub repeatables: Vec<String>,
    /// Gates of the environment that are closed, so that the rollback is refused.
    pub gates: Vec<EnvironmentGate>,
    /// Why it may not run; empty when it may.
    pub refusals: Vec<UndoRefusal>,
}

/// One migration that would be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UndoStep {
    /// Its version.
    pub version: Version,
    /// Its file name without `.sql`.
    pub stem: String,
    /// Its down file, relative to the folder; none if only its backfill's rows are undone.
    pub path: Option<String>,
    /// Whether the down file runs in one transaction with the history.
    pub transaction: bool,
    /// What happens to the rows of a backfill, before the down file runs.
    pub backfill: Option<UndoBackfill>,
    /// Whether a hook undoes it first.
    pub by_hook: bool,
}

impl RollbackPlan {
    /// Whether nothing would be undone, and nothing is refused.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }

    pub(super) async fn compute(
        client: &Client,
        state: &State,
        set: &MigrationSet,
        history: &History,
        environment: &str,
        rollback: &Rollback,
    ) -> Result<RollbackPlan, Error> {
        check_named(set, history, rollback)?;
        let versions = history.versioned.iter().map(|row| row.version);
        let mut plan = RollbackPlan {
            environment: environment.to_owned(),
            current: versions.clone().max(),
            to: rollback.to,
            remaining: versions.filter(|version| *version <= rollback.to).max(),
            steps: Vec::new(),
            repeatables: Vec::new(),
            gates: Vec::new(),
            refusals: Vec::new(),
        };
        let mut above: Vec<&HistoryRow> =
            history.versioned.iter().filter(|row| row.version > rollback.to).collect();
        above.sort_by_key(|row| std::cmp::Reverse(row.version));
        for row in above {
            match set.migration(row.version) {
                Some(migration) if [UNDOING, RESTORING].contains(&row.checksum) => {
                    plan.step(client, state, migration, rollback).await?;
                }
                Some(migration) => match checksum::compare(migration, row) {
                    Comparison::Same => plan.step(client, state, migration, rollback).await?,
                    Comparison::Renamed => plan.refusals.push(UndoRefusal::Renamed {
                        version: row.version,
                        path: migration.path.clone(),
                        name: row.name.clone(),
                    }),
                    Comparison::Changed => plan.refusals.push(UndoRefusal::Changed {
                        version: row.version,
                        path: migration.path.clone(),
                        applied: row.checksum,
                        found: migration.checksum,
                    }),
                },
                None => {
                    plan.refusals.push(UndoRefusal::Unknown { version: row.version, name: row.name.clone() });
                }
            }
        }
        if !plan.steps.is_empty() {
            let stem = |row: &HistoryRow| format!("R__{}", row.name);
            plan.repeatables = history.repeatable.iter().map(stem).collect();
        }
        Ok(plan)
    }

    async fn step(
        &mut self,
        client: &Client,
        state: &State,
        migration: &Migration,
        rollback: &Rollback,
    ) -> Result<(), Error> {
        let leave = rollback.leave_rows.contains(&migration.version);
        let by_hook = rollback.by_hook.contains(&migration.version);
        let Migration { version, file: MigrationFile { stem, path, .. }, .. } = migration;
        let down = match Down::of(migration) {
            Ok(down) => down,
            Err(problem) => {
                self.refusals.push(UndoRefusal::Down { version: *version, problem });
                return Ok(());
            }
        };
        let backfill = match &migration.directives.backfill {
            Some(_) => match plan_undo(client, state, migration, leave).await? {
                Ok(backfill) => Some(backfill),
                Err(_) if by_hook => plan_undo(client, state, migration, true).await?.ok(),
                Err(refusal) => {
                    self.refusals.push(refusal);
                    return Ok(());
                }
            },
            None if down.is_none() && !by_hook => {
                let down = format!("{stem}.down.sql");
                self.refusals.push(UndoRefusal::NoDown { version: *version, path: path.clone(), down });
                return Ok(());
            }
            None => None,
        };
        self.steps.push(UndoStep {
            version: *version,
            stem: stem.clone(),
            transaction: down.as_ref().is_none_or(|down| down.transaction),
            path: down.map(|down| down.path),
            backfill,
            by_hook,
        });
        Ok(())
    }
}

/// Checks that the versions that the caller named exist and, with `leave_rows`, are backfills.
fn check_named(set: &MigrationSet, history: &History, rollback: &Rollback) -> Result<(), Error> {
    let Rollback { to, leave_rows, by_hook } = rollback;
    let known = |version: Version| {
        set.migration(version).is_some() || history.versioned.iter().any(|row| row.version == version)
    };
    if *to != 0 && !known(*to) {
        let newest = set.migrations().last().map_or(0, |migration| migration.version);
        return Err(Error::Target(format!(
            "there is no version {to}; the newest is {newest}, and 0 undoes all"
        )));
    }
    if let Some(version) = by_hook.iter().find(|version| set.migration(**version).is_none()) {
        return Err(Error::Target(format!("there is no version {version} that a hook could undo")));
    }
    for version in leave_rows {
        if set.migration(*version).is_none_or(|migration| migration.directives.backfill.is_none()) {
            return Err(Error::Target(format!(
                "version {version} is not a backfill whose rows could be left"
            )));
        }
    }
    Ok(())
}

impl RollbackPlan {
    /// The version of the database, the target of the rollback, and the environment.
    pub fn heading(&self) -> String {
        let version = self.current.map_or("none".to_owned(), |version| version.to_string());
        let to = match self.to {
            0 => "before the first one".to_owned(),
            to => format!("version {to}"),
        };
        format!("database at version {version}, back to {to}, environment {}", self.environment)
    }

    /// The plan line by line: refusals, what would be undone, and what runs again afterwards.
    pub fn lines(&self) -> Vec<Line> {
        let refused = self.refusals.iter().map(|refusal| Line::problem("refused", refusal.to_string()));
        let undone = self.steps.iter().map(|step| Line::work("undo", step.to_string()));
        let again = self.repeatables.iter().map(|stem| {
            let text = format!(
                "{stem}  (what it made stays unless a down file removes it; it runs with the next migrate)"
            );
            Line::work("again", text)
        });
        let gated = self.gates.iter().map(|gate| Line::problem("gated", gate.to_string()));
        refused.chain(gated).chain(undone).chain(again).collect()
    }

    /// The number of migrations to undo.
    pub fn summary(&self) -> String {
        match (self.steps.len(), self.refusals.is_empty()) {
            (0, true) => "nothing to undo".to_owned(),
            (_, false) => "cannot roll back to that version".to_owned(),
            (count, true) => format!("{count} to undo"),
        }
    }
}

impl fmt::Display for RollbackPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lines(f, &self.heading(), &self.lines(), &self.summary())
    }
}

impl fmt::Display for UndoStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stem)?;
        match &self.backfill {
            Some(UndoBackfill::Restores { rows, begun, .. }) => {
                let on = if *begun { "continues to restore" } else { "restores" };
                write!(f, "  ({on} about {rows} rows from its journal)")
            }
            Some(UndoBackfill::Deletes { rows, begun, .. }) => {
                let on = if *begun { "continues to delete" } else { "deletes" };
                write!(f, "  ({on} about {rows} inserted rows, by its journal)")
            }
            Some(UndoBackfill::Restored) => write!(f, "  (its rows are already restored)"),
            Some(UndoBackfill::NotBegun) => write!(f, "  (a backfill that has not begun)"),
            Some(UndoBackfill::Left) if self.path.is_some() => {
                write!(f, "  (a backfill: its rows are left to its down file)")
            }
            Some(UndoBackfill::Left) => write!(f, "  (a backfill whose rows are left as they are)"),
            None if self.by_hook && self.path.is_none() => write!(f, "  (by a hook)"),
            None if !self.transaction => write!(f, "  (outside a transaction)"),
            None => Ok(()),
        }
    }
}
