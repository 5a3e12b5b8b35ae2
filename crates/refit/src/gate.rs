//! Gates: the conditions that hold a step back. A gate is open only where what it waits for is known to be complete.

use std::collections::{HashMap, HashSet};
use std::fmt;

use refit_model::{Migration, MigrationSet, Version};
use serde::Serialize;

use crate::checksum;
use crate::history::{BackfillState, History};
use crate::plan::HeldStep;

/// A condition that holds a step back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Gate {
    /// Runs only when it is asked for by version.
    Manual,
    /// Waits for a backfill that is not complete.
    Backfill {
        /// The migration of the backfill.
        version: Version,
    },
    /// Waits for a backfill whose job is not remembered, and which must not be done again unasked.
    BackfillUnknown {
        /// The migration of the backfill.
        version: Version,
    },
    /// Waits for another migration to be complete.
    After {
        /// The migration that is not complete.
        version: Version,
    },
    /// A repeatable migration of an older release: the database has versions that this one does not know.
    Ahead {
        /// The newest applied version.
        version: Version,
    },
    /// The text of a repeatable migration that a newer text has replaced.
    Superseded,
    /// It failed, and may need what another gate holds back.
    Failed {
        /// What the server said.
        error: String,
    },
}

impl Gate {
    /// The version of the backfill that it waits for.
    pub(crate) fn backfill(&self) -> Option<Version> {
        match self {
            Gate::Backfill { version } => Some(*version),
            _ => None,
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gate::Manual => write!(f, "manual: runs when named with --include"),
            Gate::Backfill { version } => write!(f, "waits for the backfill of version {version}"),
            Gate::BackfillUnknown { version } => write!(
                f,
                "waits for the backfill of version {version}, whose job is not recorded in this database; check the rows, \
                 then `cargo xtask repair --backfill-complete V{version}`, or `--backfill-again V{version}`"
            ),
            Gate::After { version } => write!(f, "waits for version {version}"),
            Gate::Ahead { version } => write!(
                f,
                "the database is ahead: version {version} was applied by a newer release, which has its own text"
            ),
            Gate::Superseded => {
                write!(f, "a newer text was applied after this one; to apply it again, change it")
            }
            Gate::Failed { error } => {
                write!(f, "failed, and may need a migration that is held back: {error}")
            }
        }
    }
}

/// What decides whether a migration is held back.
pub(crate) struct Gates<'a> {
    pub(crate) set: &'a MigrationSet,
    pub(crate) history: &'a History,
    pub(crate) applied: &'a HashMap<Version, (&'a str, u64)>,
    /// What is held back so far.
    pub(crate) held: HashSet<Version>,
    /// The backfills that this very plan registers.
    pub(crate) planned: HashSet<Version>,
}

impl Gates<'_> {
    pub(crate) fn gate(&self, migration: &Migration, include: &[Version]) -> Option<Gate> {
        let directives = &migration.directives;
        if directives.manual && !include.contains(&migration.version) {
            return Some(Gate::Manual);
        }
        let depends = directives.depends.iter().find(|version| self.held.contains(version));
        let depends = depends.map(|version| Gate::After { version: *version });
        directives.after.iter().find_map(|version| self.waits_for(*version)).or(depends)
    }

    /// A gate is open only where what it waits for is known to be complete.
    fn waits_for(&self, version: Version) -> Option<Gate> {
        if self.held.contains(&version) {
            return Some(Gate::After { version });
        }
        if self.planned.contains(&version) {
            return Some(Gate::Backfill { version });
        }
        self.set.migration(version)?.directives.backfill.as_ref()?;
        match self.history.backfills.get(&version) {
            Some(BackfillState::Complete) => None,
            Some(BackfillState::Unfinished | BackfillState::Undone) => Some(Gate::Backfill { version }),
            None if !self.applied.contains_key(&version) => None,
            None if self.may_be_done_again(version) => Some(Gate::Backfill { version }),
            None => Some(Gate::BackfillUnknown { version }),
        }
    }

    /// Whether doing a backfill once more changes nothing that it has done.
    fn may_be_done_again(&self, version: Version) -> bool {
        let migration = self.set.migration(version);
        let same = migration.is_some_and(|migration| {
            let accepted = checksum::accepted(migration);
            self.applied.get(&version).is_some_and(|(_, checksum)| accepted.contains(checksum))
        });
        same && migration.is_some_and(crate::backfill::is_repeatable)
    }

    /// The backfills that gates wait for, applied and not remembered.
    pub(crate) fn to_reregister(&self, held: &[HeldStep]) -> Vec<Version> {
        let mut versions: Vec<Version> = held.iter().filter_map(|held| held.gate.backfill()).collect();
        versions.retain(|version| {
            !self.planned.contains(version) && !self.history.backfills.contains_key(version)
        });
        versions.sort_unstable();
        versions.dedup();
        versions
    }
}
