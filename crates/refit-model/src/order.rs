//! The order in which migrations run. The plan, the linter, rehearsals and snapshots all take it from here.
//!
//! Versioned migrations run by version, repeatable ones after them by name ([`MigrationSet::steps`], and [`RunOrder`] for
//! files that need not be a valid set). `after` and `depends` name earlier versions only, so they never change this order:
//! they hold a migration back. A backfill is registered at its place, and completes later ([`completion_order`]).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::directive::Directives;
use crate::file_name::{FileKind, Version, version_of};
use crate::migration::{CompanionFile, Migration, MigrationFile, Repeatable};
use crate::set::{MigrationSet, hex};

/// A migration of a set, at its place in the order of execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetStep<'a> {
    /// A versioned migration.
    Versioned(&'a Migration),
    /// A repeatable migration.
    Repeatable(&'a Repeatable),
}

impl<'a> SetStep<'a> {
    /// Its version, if it has one.
    pub fn version(&self) -> Option<Version> {
        match self {
            SetStep::Versioned(migration) => Some(migration.version),
            SetStep::Repeatable(_) => None,
        }
    }

    /// Its file.
    pub fn file(&self) -> &'a MigrationFile {
        match self {
            SetStep::Versioned(migration) => &migration.file,
            SetStep::Repeatable(repeatable) => &repeatable.file,
        }
    }

    /// SHA-256 in hex over its text, its down file and its checks, as they are written: all that can run. The `.md` is not part of it.
    pub fn digest(&self) -> String {
        let down = match self {
            SetStep::Versioned(migration) => migration.down.as_ref(),
            SetStep::Repeatable(_) => None,
        };
        let companion = |file: Option<&'a CompanionFile>| file.map(|file| file.text.written());
        let file = self.file();
        let parts = [
            ("sql", Some(file.sql.written())),
            ("down", companion(down)),
            ("check", companion(file.check_file.as_ref())),
        ];
        let mut hasher = Sha256::new();
        for (kind, text) in parts {
            if let Some(text) = text {
                hasher.update(format!("{kind} {}\n", text.len()));
                hasher.update(text);
            }
        }
        hex(&hasher.finalize())
    }
}

impl MigrationSet {
    /// All migrations in the order in which they run: versioned ones by version, then repeatable ones by name.
    ///
    /// ```
    /// use refit_model::{MigrationSet, SourceFile};
    ///
    /// let file = |path: &str| SourceFile { path: path.to_owned(), bytes: b"SELECT 1;".into() };
    /// let files = vec![file("R__views.sql"), file("V10__b.sql"), file("V9__a.sql")];
    /// let set = MigrationSet::from_files("migrations", files)?;
    /// let stems: Vec<&str> = set.steps().map(|step| step.file().stem.as_str()).collect();
    /// assert_eq!(stems, ["V9__a", "V10__b", "R__views"]);
    /// # Ok::<(), refit_model::SetError>(())
    /// ```
    pub fn steps(&self) -> impl Iterator<Item = SetStep<'_>> {
        let versioned = self.migrations().iter().map(SetStep::Versioned);
        versioned.chain(self.repeatables().iter().map(SetStep::Repeatable))
    }

    /// The step with a version, or the repeatable one with a stem.
    pub fn step(&self, version: Option<Version>, stem: &str) -> Option<SetStep<'_>> {
        match version {
            Some(version) => self.migration(version).map(SetStep::Versioned),
            None => self.repeatable(stem).map(SetStep::Repeatable),
        }
    }

    /// The [steps](MigrationSet::steps) of an environment. With `to`, no version above it and no repeatable migration,
    /// which may need any of the versions.
    pub fn steps_in<'a>(
        &'a self,
        environment: &'a str,
        to: Option<Version>,
    ) -> impl Iterator<Item = SetStep<'a>> {
        self.steps().filter(move |step| {
            let is_reached = to.is_none_or(|to| step.version().is_some_and(|version| version <= to));
            is_reached && step.file().directives.runs_in(environment)
        })
    }
}

/// The place of a file in the order of execution, from its name: migrations by version, repeatable ones, other files.
///
/// A file with a malformed name is sorted by the version that it seems to have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunOrder {
    class: Class,
    version: Version,
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Versioned,
    Repeatable,
    Other,
}

impl RunOrder {
    /// The place of the file at `path`, which is relative to its migrations folder.
    pub fn of(path: &str) -> RunOrder {
        let apparent_version = || {
            let digits: String = path.chars().skip(1).take_while(char::is_ascii_digit).collect();
            version_of(&digits)
        };
        let (class, version) = match FileKind::of(path) {
            Ok(FileKind::Migration { version, .. }) => (Class::Versioned, version),
            Ok(FileKind::Repeatable { .. }) => (Class::Repeatable, 0),
            Ok(_) => (Class::Other, 0),
            Err(_) => apparent_version().map_or((Class::Other, 0), |version| (Class::Versioned, version)),
        };
        RunOrder { class, version, path: path.to_owned() }
    }
}

/// Sorts steps, given in the order of execution, by the time at which their effect is complete: a backfill runs in the
/// background and completes before a later migration that waits for it (`after`), or at the end.
///
/// The flag is true for a backfill that a later migration waits for. `facts` gives the version and the directives of a
/// step.
pub fn completion_order<T>(
    steps: &[T],
    facts: impl Fn(&T) -> (Option<Version>, &Directives),
) -> Vec<(&T, bool)> {
    let mut order: Vec<(&T, bool)> = Vec::with_capacity(steps.len());
    let mut running: Vec<&T> = Vec::new();
    for step in steps {
        let (_, directives) = facts(step);
        let is_awaited = |at: &mut &T| facts(at).0.is_some_and(|version| directives.after.contains(&version));
        order.extend(running.extract_if(.., is_awaited).map(|step| (step, true)));
        match directives.backfill {
            Some(_) => running.push(step),
            None => order.push((step, false)),
        }
    }
    order.extend(running.into_iter().map(|step| (step, false)));
    order
}

/// The versions that each migration waits for by `after`, directly or through another one. Migrations are added in the
/// order of execution.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    by_version: HashMap<Version, Arc<HashSet<Version>>>,
}

impl Waits {
    /// The versions that are complete before a migration with these directives runs.
    pub fn of(&self, directives: &Directives) -> HashSet<Version> {
        let after = &directives.after;
        let further = after.iter().filter_map(|version| self.by_version.get(version));
        further.flat_map(|versions| versions.iter()).chain(after).copied().collect()
    }

    /// Adds a migration that waits for `versions`, the result of [`Waits::of`].
    pub fn add(&mut self, version: Version, versions: HashSet<Version>) {
        self.by_version.insert(version, Arc::new(versions));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceFile;

    const FILL: &str = "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET a = 1 WHERE id > $1 AND id <= $2;";

    fn set(files: &[(&str, &str)]) -> MigrationSet {
        let file = |(path, text): &(&str, &str)| SourceFile {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_vec().into(),
        };
        MigrationSet::from_files("migrations", files.iter().map(file).collect()).unwrap()
    }

    fn stems<'a>(steps: impl Iterator<Item = SetStep<'a>>) -> Vec<&'a str> {
        steps.map(|step| step.file().stem.as_str()).collect()
    }

    #[test]
    fn repeatable_migrations_run_last() {
        let set = set(&[
            ("R__b.sql", "SELECT 1;"),
            ("V10__last.sql", "SELECT 1;"),
            ("R__a.sql", "-- refit: environments = [\"staging\"]\nSELECT 1;"),
            ("V2__first.sql", "SELECT 1;"),
            ("V3__staging.sql", "-- refit: environments = [\"staging\"]\nSELECT 1;"),
        ]);
        assert_eq!(stems(set.steps()), ["V2__first", "V3__staging", "V10__last", "R__a", "R__b"]);
        assert_eq!(stems(set.steps_in("production", None)), ["V2__first", "V10__last", "R__b"]);
        assert_eq!(stems(set.steps_in("staging", Some(3))), ["V2__first", "V3__staging"]);
        let versions: Vec<_> = set.steps().map(|step| step.version()).collect();
        assert_eq!(versions, [Some(2), Some(3), Some(10), None, None]);
    }

    #[test]
    fn files_are_sorted_as_their_migrations_run() {
        let mut paths =
            ["V1__a.md", "R__a_b.sql", "R__a.sql", "V10__b.sql", "v3_typo.sql", "V2__b.sql", "V2__a.sql"];
        paths.sort_by_cached_key(|path| RunOrder::of(path));
        assert_eq!(
            paths,
            ["V2__a.sql", "V2__b.sql", "v3_typo.sql", "V10__b.sql", "R__a.sql", "R__a_b.sql", "V1__a.md"]
        );
    }

    #[test]
    fn a_backfill_completes_before_a_migration_that_waits_for_it() {
        let set = set(&[
            ("V1__a.sql", "SELECT 1;"),
            ("V2__fill.sql", FILL),
            ("V3__b.sql", "SELECT 1;"),
            ("V4__c.sql", "-- refit: after = [\"V2\"]\nSELECT 1;"),
            ("V5__fill.sql", FILL),
            ("V6__d.sql", "SELECT 1;"),
            ("R__views.sql", "SELECT 1;"),
        ]);
        let steps: Vec<SetStep<'_>> = set.steps().collect();
        let order = completion_order(&steps, |step| (step.version(), &step.file().directives));
        let order: Vec<_> = order.into_iter().map(|(step, awaited)| (step.version(), awaited)).collect();
        let versioned = [(1, false), (3, false), (2, true), (4, false), (6, false)];
        let mut expected: Vec<_> =
            versioned.into_iter().map(|(version, awaited)| (Some(version), awaited)).collect();
        expected.extend([(None, false), (Some(5), false)]);
        assert_eq!(order, expected);
    }

    #[test]
    fn waits_are_transitive() {
        let mut waits = Waits::default();
        let after = |versions: &[Version]| Directives { after: versions.to_vec(), ..Directives::default() };
        for (version, directives) in [(3, after(&[2])), (5, after(&[3, 4])), (6, after(&[]))] {
            let versions = waits.of(&directives);
            waits.add(version, versions);
        }
        assert_eq!(waits.of(&after(&[5])), HashSet::from([2, 3, 4, 5]));
        assert_eq!(waits.of(&after(&[6])), HashSet::from([6]));
        assert_eq!(waits.of(&after(&[])), HashSet::new());
    }
}
