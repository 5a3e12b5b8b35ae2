//! Decides which gate holds a step. A gate is open only if what it waits for is known to be complete.

use std::collections::{HashMap, HashSet};

use refit_model::{Migration, MigrationSet, Version};

use crate::backfill::engine::is_repeatable;
use crate::history::{History, checksum};
use crate::plan::{Gate, HeldStep};
use crate::state::BackfillState;

/// The facts that decide whether a migration is held back.
pub(crate) struct Gates<'a> {
    pub(crate) set: &'a MigrationSet,
    pub(crate) history: &'a History,
    pub(crate) applied: &'a HashMap<Version, (&'a str, u64)>,
    /// What is held back so far.
    pub(crate) held: HashSet<Version>,
    /// The backfills that this plan registers.
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

    /// A gate is open only if what it waits for is known to be complete.
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

    /// The first applied version after a late one whose order may matter, and why.
    pub(crate) fn later_that_matters(&self, version: Version) -> Option<(Version, String)> {
        let mut later: Vec<Version> =
            self.applied.keys().copied().filter(|applied| *applied > version).collect();
        later.sort_unstable();
        later.retain(|later| !self.set.are_apart(*later, version));
        later.into_iter().find_map(|later| Some((later, self.set.order_matters(version, later)?)))
    }

    /// Whether a backfill can run again without changing rows that are done.
    fn may_be_done_again(&self, version: Version) -> bool {
        let migration = self.set.migration(version);
        let same = migration.is_some_and(|migration| {
            let accepted = checksum::accepted(migration);
            self.applied.get(&version).is_some_and(|(_, checksum)| accepted.contains(checksum))
        });
        same && migration.is_some_and(is_repeatable)
    }

    /// The applied backfills for which gates wait and whose jobs are not recorded.
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
