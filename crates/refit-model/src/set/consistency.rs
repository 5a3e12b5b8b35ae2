//! What must be true of the files of a set together: versions, packages, references and checkpoints.

use super::assemble::Builder;
use crate::file_name::Version;
use crate::migration::{Migration, MigrationFile};
use crate::package::{check_package, check_ranges};
use crate::problem::{Problem, same_version};
use crate::settings::{Settings, VersionStyle};

impl Builder {
    pub(super) fn check_versions(&mut self, settings: &Settings) {
        let next = self.migrations.last().map_or(1, |migration| migration.version.saturating_add(1));
        for pair in self.migrations.windows(2) {
            if pair[0].version == pair[1].version {
                self.problems.push(same_version(&pair[1].path, &pair[0].path, pair[1].version, next));
            }
        }
        for migration in &self.migrations {
            let stamp = is_timestamp(migration.version);
            let fix = match settings.versions {
                Some(VersionStyle::Counted) if stamp => {
                    "refit.toml requires sequential versions: V0001, V0002, …"
                }
                Some(VersionStyle::Timestamp) if !stamp => {
                    "refit.toml requires UTC timestamps as versions: V20261120143000"
                }
                _ => continue,
            };
            self.problems.push(Problem::new(
                &migration.path,
                "the version does not match the `versions` setting",
                fix,
            ));
        }
    }

    pub(super) fn check_packages(&mut self, settings: &Settings) {
        check_ranges(&settings.package, &mut self.problems);
        let versioned = self.migrations.iter().map(|migration| (Some(migration.version), &migration.file));
        let repeatable = self.repeatables.iter().map(|repeatable| (None, &repeatable.file));
        for (version, MigrationFile { path, directives, .. }) in versioned.chain(repeatable) {
            let named = directives.package.as_deref();
            check_package(&settings.package, (path, version, named), &mut self.problems);
        }
    }

    pub(super) fn check_checkpoints(&mut self) {
        self.checkpoints.sort_by(|a, b| (a.version, &a.path).cmp(&(b.version, &b.path)));
        let next = self.migrations.last().map_or(1, |migration| migration.version);
        for pair in self.checkpoints.windows(2).filter(|pair| pair[0].version == pair[1].version) {
            self.problems.push(same_version(&pair[1].path, &pair[0].path, pair[1].version, next));
        }
        let problems = self.checkpoints.iter().flat_map(|checkpoint| checkpoint.problems(&self.migrations));
        self.problems.extend(problems);
    }

    pub(super) fn check_references(&mut self) {
        for migration in &self.migrations {
            let Migration { version, file: MigrationFile { directives, .. }, .. } = migration;
            for (key, target) in directives
                .after
                .iter()
                .map(|target| ("after", target))
                .chain(directives.depends.iter().map(|target| ("depends", target)))
            {
                let problem = |message, fix: &str| Problem::new(&migration.path, message, fix);
                if !self.migrations.iter().any(|other| other.version == *target) {
                    let message = format!("`{key}` names version {target}, which does not exist");
                    self.problems.push(problem(message, "name a version of this folder"));
                } else if target >= version {
                    let message = format!("`{key}` names version {target}, which is not earlier");
                    self.problems.push(problem(message, "a migration can only wait for an earlier one"));
                }
            }
        }
    }
}

/// Year to second, as 14 digits that are a valid date.
fn is_timestamp(version: Version) -> bool {
    let digits = version.to_string();
    digits.len() == 14 && jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &digits).is_ok()
}
