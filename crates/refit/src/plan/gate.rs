//! Gates: the conditions that hold a step back.

use std::fmt;

use refit_model::Version;
use serde::Serialize;

/// A condition that holds a step back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Gate {
    /// Runs only when named by version.
    Manual,
    /// In a package that was not selected.
    Package {
        /// The package; none for a migration without one.
        package: Option<String>,
    },
    /// Waits for a backfill that is not complete.
    Backfill {
        /// The migration of the backfill.
        version: Version,
    },
    /// Waits for a backfill whose job is not recorded, and which an operator must confirm or repeat.
    BackfillUnknown {
        /// The migration of the backfill.
        version: Version,
    },
    /// Waits for another migration to be complete.
    After {
        /// The migration that is not complete.
        version: Version,
    },
    /// A repeatable migration in an older release: the database has versions that its set lacks.
    Ahead {
        /// The newest applied version.
        version: Version,
    },
    /// A text of a repeatable migration that a newer text replaced.
    Superseded,
    /// It failed, and may need a migration that another gate holds back.
    Failed {
        /// The server's message.
        error: String,
    },
}

impl Gate {
    /// The version of the backfill for which it waits.
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
            Gate::Package { package: Some(package) } => {
                write!(f, "in package {package}, which --from-package or --to-package leaves out")
            }
            Gate::Package { package: None } => {
                write!(f, "in no package, and --from-package or --to-package selects packages")
            }
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
