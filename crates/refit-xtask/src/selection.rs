//! Options that several commands share: which migrations a plan is for, and which of them are shown.

use anyhow::anyhow;
use refit::{Migrator, Plan};
use refit_model::{Category, MigrationSet, Version};

use crate::context::version_argument;

/// The target of a plan.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// No version above this one, and no repeatable migration
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    to: Option<Version>,
    /// No version above the last one of this release (directive `release`), and no repeatable migration
    #[arg(long, value_name = "RELEASE", conflicts_with = "to")]
    to_release: Option<String>,
}

impl Target {
    /// Sets the target of a migrator.
    pub(crate) fn apply(&self, set: &MigrationSet, migrator: Migrator) -> anyhow::Result<Migrator> {
        let to = match (&self.to, &self.to_release) {
            (Some(to), _) => Some(*to),
            (None, Some(release)) => Some(set.last_of_release(release).map_err(|reason| anyhow!(reason))?),
            (None, None) => None,
        };
        Ok(match to {
            Some(to) => migrator.to(to),
            None => migrator,
        })
    }
}

/// The packages of a plan; the migrations of others are held.
#[derive(Debug, clap::Args)]
pub(crate) struct Packages {
    /// Hold back migrations of packages before this one
    #[arg(long, value_name = "PACKAGE", env = "REFIT_FROM_PACKAGE")]
    from_package: Option<String>,
    /// Hold back migrations of packages after this one
    #[arg(long, value_name = "PACKAGE", env = "REFIT_TO_PACKAGE")]
    to_package: Option<String>,
}

impl Packages {
    /// Sets the packages of a migrator.
    pub(crate) fn apply(&self, mut migrator: Migrator) -> Migrator {
        if let Some(package) = &self.from_package {
            migrator = migrator.from_package(package);
        }
        if let Some(package) = &self.to_package {
            migrator = migrator.to_package(package);
        }
        migrator
    }
}

/// Which migrations are shown. The plan itself stays the same.
#[derive(Debug, clap::Args)]
pub(crate) struct Filter {
    /// Show only migrations of this category
    #[arg(long, value_name = "CATEGORY", value_parser = category)]
    category: Vec<Category>,
    /// Show only migrations of this release
    #[arg(long, value_name = "RELEASE")]
    release: Vec<String>,
}

impl Filter {
    /// Checks that there are such releases.
    pub(crate) fn check(&self, set: &MigrationSet) -> anyhow::Result<()> {
        let mut releases = self.release.iter();
        releases.try_for_each(|release| set.check_release(release)).map_err(|reason| anyhow!(reason))
    }

    /// Whether a migration is shown: the versioned one with a version, or the repeatable one with a stem.
    pub(crate) fn shows(&self, set: &MigrationSet, version: Option<Version>, stem: &str) -> bool {
        let shown = |wanted: bool, is_any: bool| is_any || wanted;
        let Some(step) = set.step(version, stem) else {
            return self.category.is_empty() && self.release.is_empty();
        };
        let directives = &step.file().directives;
        let category = directives.category.is_some_and(|category| self.category.contains(&category));
        let release = directives.release.as_ref().is_some_and(|release| self.release.contains(release));
        shown(category, self.category.is_empty()) && shown(release, self.release.is_empty())
    }

    /// Leaves the steps of a plan that are shown.
    pub(crate) fn retain(&self, set: &MigrationSet, plan: &mut Plan) {
        plan.pending.retain(|step| self.shows(set, step.version, &step.stem));
        plan.held.retain(|step| self.shows(set, step.version, &step.stem));
    }
}

fn category(text: &str) -> Result<Category, String> {
    Category::named(text).ok_or_else(|| {
        let names = Category::ALL.map(Category::as_str).join(", ");
        format!("expected one of {names}")
    })
}
