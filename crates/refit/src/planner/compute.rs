//! The plan: set minus history. Pure: rows in, value out.

use std::collections::{HashMap, HashSet};

use refit_model::{
    Migration, MigrationFile, MigrationSet, OutOfOrder, Policies, Policy, Repeatable, SetStep, Version,
};

use super::gates::Gates;
use crate::error::Refusal;
use crate::history::checksum::{self, Comparison};
use crate::history::{History, HistoryRow, RESTORING, UNDOING};
use crate::plan::{Gate, HeldStep, Plan, PlannedStep};

/// The caller's options for a plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requested<'a> {
    pub(crate) environment: &'a str,
    /// The highest version to apply.
    pub(crate) to: Option<Version>,
    /// Manual migrations to include.
    pub(crate) include: &'a [Version],
    pub(crate) policies: Policies,
    /// The selected packages; none for all migrations.
    pub(crate) packages: Option<Vec<&'a str>>,
    /// Whether a new database may begin with a checkpoint.
    pub(crate) checkpoints: bool,
}

impl Requested<'_> {
    /// The gate of a step in a package that is not selected.
    fn package_gate(&self, set: &MigrationSet, step: SetStep<'_>) -> Option<Gate> {
        let selected = self.packages.as_ref()?;
        let package = set.package_of(step);
        let is_selected = package.is_some_and(|package| selected.contains(&package));
        (!is_selected).then(|| Gate::Package { package: package.map(str::to_owned) })
    }
}

impl Plan {
    pub(crate) fn compute(set: &MigrationSet, history: &History, requested: &Requested<'_>) -> Plan {
        let Some(checkpoint) = super::checkpoint::applies(set, history, requested) else {
            return Plan::of_migrations(set, history, requested);
        };
        let begun = super::checkpoint::after(checkpoint, set, history);
        let mut plan = Plan::of_migrations(set, &begun, requested);
        (plan.current, plan.applied) = (None, 0);
        plan.pending.insert(0, PlannedStep::checkpoint(checkpoint));
        plan
    }

    fn of_migrations(set: &MigrationSet, history: &History, requested: &Requested<'_>) -> Plan {
        let applied: HashMap<Version, (&str, u64)> =
            history.versioned.iter().map(|row| (row.version, (row.name.as_str(), row.checksum))).collect();
        let newest = set.migrations().last().map(|migration| migration.version);
        let mut plan = Plan {
            environment: requested.environment.to_owned(),
            current: applied.keys().max().copied(),
            newest,
            applied: 0,
            pending: Vec::new(),
            held: Vec::new(),
            ahead: Vec::new(),
            reregister: Vec::new(),
            restoring: Vec::new(),
            outdated: history.outdated,
            gates: Vec::new(),
            refusals: Vec::new(),
            warnings: history.warnings.clone(),
        };
        if !history.elsewhere.is_empty() {
            plan.refusals.push(Refusal::Elsewhere { schemas: history.elsewhere.clone() });
        }
        plan.compare_applied(set, history, requested.policies);
        plan.collect_pending(set, history, &applied, requested);
        plan.refusals.extend(crate::exec::by_statement::refusals(set, &history.undecided, &plan.pending));
        plan
    }

    fn compare_applied(&mut self, set: &MigrationSet, history: &History, policies: Policies) {
        let known = self.newest.unwrap_or(Version::MIN);
        let applied: HashSet<Version> = history.versioned.iter().map(|row| row.version).collect();
        let renumbered = |row: &HistoryRow| {
            let found = checksum::renumbered(set, row, |version| applied.contains(&version))?;
            Some(Refusal::Renumbered {
                version: row.version,
                name: row.name.clone(),
                path: found.path.clone(),
            })
        };
        for row in &history.versioned {
            match set.migration(row.version) {
                _ if row.checksum == UNDOING => {
                    self.refusals.push(Refusal::HalfUndone { version: row.version, name: row.name.clone() })
                }
                Some(migration) if row.checksum == RESTORING => {
                    self.applied += 1;
                    self.restoring.push(row.version);
                    self.warnings.push(format!(
                        "{} is being rolled back, or its rollback was interrupted: nothing is applied until \
                         `cargo xtask rollback` has finished",
                        migration.stem
                    ));
                }
                Some(migration) => {
                    self.applied += 1;
                    if let Some(refusal) = differs(migration, row, renumbered) {
                        self.judge(policies.changed, refusal);
                    }
                }
                None => match renumbered(row) {
                    Some(refusal) => self.judge(policies.missing, refusal),
                    None if row.version > known => self.ahead.push(row.version),
                    None => self.judge(
                        policies.missing,
                        Refusal::Missing { version: row.version, name: row.name.clone() },
                    ),
                },
            }
        }
        if let Some(newest) = self.ahead.iter().max().copied() {
            self.judge(policies.ahead, Refusal::Ahead { newest, known: self.newest.unwrap_or(0) });
        }
    }

    fn judge(&mut self, policy: Policy, refusal: Refusal) {
        match policy {
            Policy::Refuse => self.refusals.push(refusal),
            Policy::Warn => self.warnings.push(warning(&refusal)),
            Policy::Accept => {}
        }
    }

    /// Sorts the steps that are not applied into pending and held ones, in the order of the set.
    fn collect_pending(
        &mut self,
        set: &MigrationSet,
        history: &History,
        applied: &HashMap<Version, (&str, u64)>,
        requested: &Requested<'_>,
    ) {
        // A migration that may wait never makes another one late.
        let versions = set
            .migrations()
            .iter()
            .filter(|migration| applied.contains_key(&migration.version) && !migration.directives.may_wait())
            .map(|migration| migration.version)
            .chain(self.ahead.iter().copied());
        let newest_applied = Newest::of(set, versions);
        let mut gates = Gates { set, history, applied, held: HashSet::new(), planned: HashSet::new() };
        for step in set.steps_in(requested.environment, requested.to) {
            match step {
                SetStep::Versioned(migration) if applied.contains_key(&migration.version) => {}
                SetStep::Versioned(migration) => {
                    self.add_versioned(migration, &mut gates, &newest_applied, requested);
                }
                SetStep::Repeatable(repeatable) => {
                    let package = requested.package_gate(set, step);
                    self.add_repeatable(repeatable, history, package);
                }
            }
        }
        self.reregister = gates.to_reregister(&self.held);
    }

    fn add_versioned(
        &mut self,
        migration: &Migration,
        gates: &mut Gates<'_>,
        newest_applied: &Newest<'_>,
        requested: &Requested<'_>,
    ) {
        let package = requested.package_gate(gates.set, SetStep::Versioned(migration));
        let restoring = self.restoring.last().map(|version| Gate::After { version: *version });
        if let Some(gate) = package.or_else(|| gates.gate(migration, requested.include)).or(restoring) {
            gates.held.insert(migration.version);
            let (version, stem) = (Some(migration.version), migration.stem.clone());
            self.held.push(HeldStep { version, stem, gate });
            return;
        }
        let Migration { version, file: MigrationFile { path, directives, .. }, .. } = migration;
        let newest = newest_applied.before(*version).filter(|newest| newest > version);
        if let Some(newest) = newest.filter(|_| !directives.may_wait()) {
            let refusal = Refusal::OutOfOrder { version: *version, path: path.clone(), newest };
            match requested.policies.out_of_order {
                OutOfOrder::Refuse => self.judge(Policy::Refuse, refusal),
                OutOfOrder::Warn => self.judge(Policy::Warn, refusal),
                OutOfOrder::Accept => {}
                OutOfOrder::Commuting => match gates.later_that_matters(*version) {
                    None => self.warnings.push(format!("{path} is late; it commutes with what is applied")),
                    Some((later, reason)) => self.refusals.push(Refusal::NotCommuting {
                        version: *version,
                        path: path.clone(),
                        later,
                        reason,
                        newest,
                    }),
                },
            }
        }
        if directives.backfill.is_some() {
            gates.planned.insert(*version);
        }
        self.pending.push(PlannedStep::versioned(migration));
    }

    fn add_repeatable(&mut self, repeatable: &Repeatable, history: &History, package: Option<Gate>) {
        let is_of = |row: &&HistoryRow| row.name == repeatable.name;
        let applied = history.repeatable.iter().rfind(is_of);
        if applied.is_some_and(|row| row.checksum == repeatable.checksum) {
            return;
        }
        let superseded =
            history.superseded.iter().filter(is_of).any(|row| row.checksum == repeatable.checksum);
        let restoring = self.restoring.last().map(|version| Gate::After { version: *version });
        let gate = match self.ahead.iter().max().copied() {
            Some(version) => Some(Gate::Ahead { version }),
            None => package.or(restoring).or(superseded.then_some(Gate::Superseded)),
        };
        match gate {
            Some(gate) => self.held.push(HeldStep { version: None, stem: repeatable.stem.clone(), gate }),
            None => self.pending.push(PlannedStep::repeatable(repeatable)),
        }
    }
}

/// The newest applied versions, before which no migration may be added.
struct Newest<'a> {
    set: &'a MigrationSet,
    versions: Vec<Version>,
    newest: Option<Version>,
    has_packages: bool,
}

impl<'a> Newest<'a> {
    fn of(set: &'a MigrationSet, versions: impl Iterator<Item = Version>) -> Newest<'a> {
        let versions: Vec<Version> = versions.collect();
        let newest = versions.iter().max().copied();
        Newest { set, versions, newest, has_packages: !set.packages().is_empty() }
    }

    /// The newest one that is not in another package than the version.
    fn before(&self, version: Version) -> Option<Version> {
        if !self.has_packages || self.newest.is_none_or(|newest| newest < version) {
            return self.newest;
        }
        self.versions.iter().copied().filter(|applied| !self.set.are_apart(*applied, version)).max()
    }
}

/// A refusal as a warning, which does not advise the setting that made it one.
fn warning(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Ahead { newest, known } => {
            format!(
                "the database is ahead: version {newest} is applied, this binary has migrations up to {known}"
            )
        }
        Refusal::OutOfOrder { path, newest, .. } => {
            format!("{path} is late: version {newest} is already applied; it is applied out of order")
        }
        other => other.to_string(),
    }
}

/// Why a file does not match the row of its version; none if it does.
fn differs(
    migration: &Migration,
    row: &HistoryRow,
    renumbered: impl Fn(&HistoryRow) -> Option<Refusal>,
) -> Option<Refusal> {
    let Migration { version, file: MigrationFile { path, checksum: found, .. }, .. } = migration;
    let (version, path, applied, found) = (*version, path.clone(), row.checksum, *found);
    match checksum::compare(migration, row) {
        Comparison::Same => None,
        Comparison::Renamed => {
            Some(Refusal::Renamed { version, path, name: row.name.clone(), applied, found })
        }
        // Another file now has its number.
        Comparison::Changed => renumbered(row).or(Some(Refusal::Changed { version, path, applied, found })),
    }
}
