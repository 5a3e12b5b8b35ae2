//! Why a plan may not run: mismatches between history and set, each with what to do.

use refit_model::Version;
use serde::Serialize;

/// One reason to refuse a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The file was edited after it was applied.
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
    /// The file was renamed after it was applied.
    #[error(
        "{path} was renamed after it was applied as V{version}__{name}.sql (the text is the same); \
         rename it back, or accept the new name with `cargo xtask repair`"
    )]
    Renamed {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// Its name in the history.
        name: String,
        /// Checksum in the history.
        applied: u64,
        /// Checksum of the file.
        found: u64,
    },
    /// The version of the file was changed after it was applied.
    #[error(
        "{path} was applied as version {version}, and its number was changed since; \
         rename it back to V{version}__{name}.sql, or it runs a second time"
    )]
    Renumbered {
        /// The version in the history.
        version: Version,
        /// Its name in the history.
        name: String,
        /// The file with the same text, whose version is not applied.
        path: String,
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
    /// A pending migration is older than one that was applied, and their order may matter.
    #[error(
        "{path} is late: version {later} is already applied, and {reason}; give it a version after {newest} \
         (`cargo xtask renumber`)"
    )]
    NotCommuting {
        /// The migration.
        version: Version,
        /// The file.
        path: String,
        /// The applied version.
        later: Version,
        /// Why their order may matter.
        reason: String,
        /// The newest applied version.
        newest: Version,
    },
    /// The database has migrations that are newer than the set.
    #[error(
        "the database is ahead: version {newest} is applied, this binary has migrations up to {known}; \
         deploy the newer binary, or accept it with `ahead = \"warn\"` under [policy] in refit.toml"
    )]
    Ahead {
        /// The newest applied version.
        newest: Version,
        /// The newest version of the set.
        known: Version,
    },
    /// The search path finds no history, but another schema has one.
    #[error(
        "the search path finds no history, but {} has one: name it (--history-schema, `history_schema` in refit.toml, \
         Migrator::history_schema), or name another schema to begin a new history there",
        schemas_of(schemas)
    )]
    Elsewhere {
        /// The schemas with a history that this role may write.
        schemas: Vec<String>,
    },
    /// An earlier attempt sent a statement outside a transaction, and it may not be sent again.
    #[error(
        "{path}:{}:{}: statement {statement} was sent outside a transaction in an earlier attempt that did not complete it; what \
         it committed stays, and it may be incomplete, so it is not sent again until you decide: {}",
        .position.line, .position.column, repair_commands(.step)
    )]
    StatementBegun {
        /// The file.
        path: String,
        /// Where the statement is.
        position: refit_model::Position,
        /// Which statement of the file, from 1.
        statement: usize,
        /// How `cargo xtask repair` names the step: `V12`, or the stem of a repeatable migration.
        step: String,
    },
    /// A rollback was interrupted in the middle of this migration.
    #[error(
        "version {version} ({name}) is half undone: a rollback was interrupted in the middle of it; \
         finish it with `cargo xtask rollback`, then migrate again"
    )]
    HalfUndone {
        /// The migration.
        version: Version,
        /// Its name in the history.
        name: String,
    },
}

fn schemas_of(schemas: &[String]) -> String {
    match schemas {
        [one] => format!("schema {one}"),
        several => format!("each of the schemas {}", several.join(", ")),
    }
}

/// What to do about a statement that may have committed a part of its work.
pub(crate) fn repair_commands(step: &str) -> String {
    format!(
        "complete its work by hand and run `cargo xtask repair --statement-done {step}`, or, if it is safe to run it again, run \
         `cargo xtask repair --statement-again {step}`"
    )
}
