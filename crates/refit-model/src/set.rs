//! The set: all migrations of a folder, validated as a whole.

mod assemble;
mod consistency;
mod values;

use std::path::Path;

use include_dir::Dir;
use sha2::{Digest, Sha256};

use assemble::assemble;

use crate::approvals::ApprovalRecords;
use crate::budget::Budget;
use crate::check::Check;
use crate::checkpoint::Checkpoint;
use crate::file_name::Version;
use crate::footprints::Footprints;
use crate::migration::{Migration, Repeatable, Seed};
use crate::order::SetStep;
use crate::problem::SetError;
use crate::promotions::Promotions;
use crate::server_hash::server_hash;
use crate::settings::Settings;
use crate::source::{SourceFile, embedded_files, read_folder};

/// All migrations of a folder, ordered by version, with the folder's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationSet {
    settings: Settings,
    migrations: Vec<Migration>,
    repeatables: Vec<Repeatable>,
    seeds: Vec<Seed>,
    checks: Vec<Check>,
    budgets: Vec<Budget>,
    approvals: ApprovalRecords,
    promotions: Promotions,
    checkpoints: Vec<Checkpoint>,
    footprints: Footprints,
}

/// The history of a database after the whole set is applied, in a form that the server can compute and send in a few
/// bytes.
///
/// Both digests are the sum of [`server_hash`] over the checksums, in decimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryDigest {
    /// Over the versioned migrations.
    pub versioned: String,
    /// Over the repeatable ones; `None` if the set has none.
    pub repeatable: Option<String>,
    /// The newest version.
    pub newest: Option<Version>,
}

impl MigrationSet {
    /// Reads a folder from disk.
    ///
    /// # Errors
    /// [`SetError`] with every problem of the folder.
    pub fn from_dir(folder: &Path) -> Result<MigrationSet, SetError> {
        let (files, problems) = read_folder(folder);
        assemble(&folder.display().to_string(), files, problems)
    }

    /// Reads a folder that is embedded in the binary.
    ///
    /// # Errors
    ///
    /// [`SetError`] with every problem of the folder; there are none if the build refused malformed sets.
    pub fn from_embedded(dir: &Dir<'static>) -> Result<MigrationSet, SetError> {
        assemble("(embedded)", embedded_files(dir), Vec::new())
    }

    /// Reads a folder that is already in memory; `folder` names it in errors.
    ///
    /// # Errors
    /// [`SetError`] with every problem of the folder.
    pub fn from_files(folder: &str, files: Vec<SourceFile>) -> Result<MigrationSet, SetError> {
        assemble(folder, files, Vec::new())
    }

    /// The folder's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What was applied in environments that others require.
    pub fn promotions(&self) -> &Promotions {
        &self.promotions
    }

    /// The versioned migrations, ordered by version.
    pub fn migrations(&self) -> &[Migration] {
        &self.migrations
    }

    /// The migration with a version.
    pub fn migration(&self, version: Version) -> Option<&Migration> {
        let index = self.migrations.binary_search_by_key(&version, |migration| migration.version).ok()?;
        self.migrations.get(index)
    }

    /// Whether any of the migrations is a backfill.
    pub fn has_backfills(&self) -> bool {
        self.migrations.iter().any(|migration| migration.directives.backfill.is_some())
    }

    /// The repeatable migrations, ordered by name.
    pub fn repeatables(&self) -> &[Repeatable] {
        &self.repeatables
    }

    /// The repeatable migration with a stem.
    pub fn repeatable(&self, stem: &str) -> Option<&Repeatable> {
        self.repeatables.iter().find(|repeatable| repeatable.stem == stem)
    }

    /// Why the order of two versions may matter: both touch an object, or it is not known. None if they commute.
    pub fn order_matters(&self, one: Version, other: Version) -> Option<String> {
        let stem = |version| self.migration(version).map_or("", |migration| migration.stem.as_str());
        self.footprints.order_matters(&self.digest(), stem(one), stem(other))
    }

    /// The checkpoint with which a new database begins: the one of the highest version.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoints.last()
    }

    /// The seeds, ordered by path.
    pub fn seeds(&self) -> &[Seed] {
        &self.seeds
    }

    /// The checks of the whole database, from the folder `checks`.
    pub fn standing_checks(&self) -> &[Check] {
        &self.checks
    }

    /// All budgets: of versioned migrations, of repeatable ones, and of the whole database.
    pub fn budgets(&self) -> impl Iterator<Item = &Budget> {
        let of_migrations = self.migrations.iter().flat_map(|migration| &migration.budgets);
        let of_repeatables = self.repeatables.iter().flat_map(|repeatable| &repeatable.budgets);
        of_migrations.chain(of_repeatables).chain(&self.budgets)
    }

    /// All checks: of versioned migrations, of repeatable ones, and of the whole database.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        let of_migrations = self.migrations.iter().flat_map(|migration| &migration.checks);
        let of_repeatables = self.repeatables.iter().flat_map(|repeatable| &repeatable.checks);
        of_migrations.chain(of_repeatables).chain(&self.checks)
    }

    /// The approvals of migrations, from `approvals.toml`.
    pub fn approvals(&self) -> &ApprovalRecords {
        &self.approvals
    }

    /// Sets the states of the signatures of approvals, as [`ApprovalRecords::signature_codes`] returns them.
    #[must_use]
    pub fn with_signature_codes(mut self, codes: &str) -> MigrationSet {
        self.approvals.set_signature_codes(codes);
        self
    }

    /// SHA-256 in hex over the texts of all migrations: what applying the set may run, but for a checkpoint, which is proven to
    /// make the same schema.
    pub fn digest(&self) -> String {
        let versioned = self.migrations.iter().map(|migration| (migration.version, migration.checksum));
        let repeatable = self.repeatables.iter().map(|repeatable| (-1, repeatable.checksum));
        let mut hasher = Sha256::new();
        for (version, checksum) in versioned.chain(repeatable) {
            hasher.update(format!("{version} {checksum}\n"));
        }
        hex(&hasher.finalize())
    }

    /// The history after the migrations of `environment` are applied, including manual ones.
    pub fn history_digest(&self, environment: &str) -> HistoryDigest {
        let (mut versioned, mut repeatable, mut newest) = (Vec::new(), Vec::new(), None);
        for step in self.steps_in(environment, None) {
            match step {
                SetStep::Versioned(migration) => {
                    versioned.push(migration.checksum);
                    newest = Some(migration.version);
                }
                SetStep::Repeatable(one) => repeatable.push(one.checksum),
            }
        }
        HistoryDigest {
            versioned: HistoryDigest::of(&versioned),
            repeatable: (!repeatable.is_empty()).then(|| HistoryDigest::of(&repeatable)),
            newest,
        }
    }

    /// Whether every migration runs in every environment, so that one history digest fits all.
    pub fn is_unconditional(&self) -> bool {
        self.steps().all(|step| step.file().directives.environments.is_empty())
    }
}

impl HistoryDigest {
    /// The digest of checksums, independent of their order.
    pub fn of(checksums: &[u64]) -> String {
        let hashes = checksums.iter().map(|checksum| i128::from(server_hash(&checksum.to_string())));
        hashes.sum::<i128>().to_string()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
