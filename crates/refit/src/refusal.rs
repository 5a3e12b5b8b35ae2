//! Why a plan may not run: each way in which a history can fail to fit a set, with the way out.

use refit_model::Version;
use serde::Serialize;

/// One reason to refuse a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Refusal {
    /// The text is no longer what was applied.
    #[error(
        "{path} was edited after it was applied (checksum {applied} in the history, {found} in the file); \
         restore the file and write a new migration, or accept the edit with `cargo xtask repair`"
    )]
    Changed {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// Checksum in the history.
        applied: u64,
        /// Checksum of the file.
        found: u64,
    },
    /// The history has a migration that the set does not have.
    #[error(
        "version {version} ({}) was applied, but its file is missing; restore the file, \
         or forget it with `cargo xtask repair`",
        refit_model::visible_line(.name)
    )]
    Missing {
        /// The migration.
        version: Version,
        /// Its name in the history.
        name: String,
    },
    /// A pending migration is older than one that was applied.
    #[error(
        "{path} is late: version {newest} is already applied; give it a version after {newest}, \
         or accept late files with `out_of_order = \"warn\"` under [policy] in refit.toml"
    )]
    OutOfOrder {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// The newest applied version.
        newest: Version,
    },
    /// The database has migrations that are newer than the set.
    #[error(
        "the database is ahead: version {newest} is applied, this binary knows up to {known}; \
         deploy the newer binary, or accept with `ahead = \"warn\"` under [policy] in refit.toml"
    )]
    Ahead {
        /// The newest applied version.
        newest: Version,
        /// The newest version of the set.
        known: Version,
    },
    /// A migration depends on one that is not applied and is not going to be.
    #[error("{path} depends on version {missing}, which is held back; run that one first")]
    Dependency {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// What it depends on.
        missing: Version,
    },
}
