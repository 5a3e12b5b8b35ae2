//! The gates of an environment: what its profile in `refit.toml` requires before a run may change the database.

use std::fmt;

use refit_model::wording::counted;
use refit_model::{APPROVALS, Backup, LintSeverity, Promotions, visible_line};
use serde::Serialize;

/// A closed gate of an environment. It refuses a run as a whole, while a [`Gate`](crate::Gate) holds one step back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EnvironmentGate {
    /// No window is open.
    Window {
        /// The windows, as in `refit.toml`.
        windows: Vec<String>,
        /// When migrations may run again, RFC 3339 in UTC; freeze periods are considered.
        opens: Option<String>,
    },
    /// A freeze period.
    Freeze {
        /// The current periods, as in `refit.toml`.
        periods: Vec<String>,
        /// When migrations may run again, RFC 3339 in UTC; windows are considered.
        opens: Option<String>,
    },
    /// Migrations have not been applied in the environment that comes first.
    Requires {
        /// That environment.
        environment: String,
        /// The migrations.
        missing: Vec<MissingPromotion>,
    },
    /// Migrations lack approvals.
    Approvals {
        /// The migrations.
        missing: Vec<MissingApproval>,
    },
    /// A backup must come first, and the program makes none.
    Backup {
        /// What must be backed up.
        required: Backup,
    },
}

/// A migration that another environment has not applied, or not as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MissingPromotion {
    /// The file name without `.sql`.
    pub stem: String,
    /// Whether it was applied there, and its text, down file or checks were edited since.
    pub edited: bool,
}

/// A migration that too few people have approved as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MissingApproval {
    /// The file name without `.sql`.
    pub stem: String,
    /// What the linter found; none if that is not recorded, so that the highest number is needed.
    pub lint: Option<LintSeverity>,
    /// How many people must approve it.
    pub needed: u32,
    /// How many have.
    pub approved: u32,
    /// Approvals that do not count: the person, and why.
    pub not_counted: Vec<String>,
}

/// An override: gates of the environment that a run passed although they were closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Override {
    /// Why.
    pub reason: String,
    /// The gates that were closed when the run began.
    pub gates: Vec<EnvironmentGate>,
}

impl EnvironmentGate {
    /// Its name in the state and in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            EnvironmentGate::Window { .. } => "window",
            EnvironmentGate::Freeze { .. } => "freeze",
            EnvironmentGate::Requires { .. } => "requires",
            EnvironmentGate::Approvals { .. } => "approvals",
            EnvironmentGate::Backup { .. } => "backup",
        }
    }

    /// What is closed, and what or when opens it, without the override.
    pub(crate) fn reason(&self) -> String {
        let closed = match self {
            EnvironmentGate::Window { windows, .. } => {
                format!("outside the windows ({})", windows.join("; "))
            }
            EnvironmentGate::Freeze { periods, .. } => format!("frozen ({})", periods.join("; ")),
            EnvironmentGate::Requires { environment, missing } => {
                let environment = visible_line(environment);
                let names: Vec<String> = missing.iter().map(MissingPromotion::to_string).collect();
                format!(
                    "not applied in {environment}: {}; run `cargo xtask migrate --environment {environment}` and commit {}",
                    names.join(", "),
                    Promotions::FILE
                )
            }
            EnvironmentGate::Approvals { missing } => not_approved(missing),
            EnvironmentGate::Backup { required } => format!(
                "a backup of kind {} must be made before the first step, and this program makes none; add \
                 refit_backup::BackupHook to its migrator, or run `cargo xtask migrate`",
                required.as_str()
            ),
        };
        match self.opens() {
            Some(opens) => format!("{closed}; it may run from {opens} on"),
            None => closed,
        }
    }

    /// When migrations may run again, RFC 3339 in UTC; none if time does not open the gate, or not within two weeks after the
    /// last freeze period.
    pub fn opens(&self) -> Option<&str> {
        match self {
            EnvironmentGate::Window { opens, .. } | EnvironmentGate::Freeze { opens, .. } => opens.as_deref(),
            EnvironmentGate::Requires { .. }
            | EnvironmentGate::Approvals { .. }
            | EnvironmentGate::Backup { .. } => None,
        }
    }
}

/// What is closed, what opens it, and when.
impl fmt::Display for EnvironmentGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; to run now, give --override REASON (Migrator::override_gates)", self.reason())
    }
}

impl fmt::Display for MissingPromotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.edited {
            true => write!(f, "{} (edited since)", self.stem),
            false => f.write_str(&self.stem),
        }
    }
}

/// What lacks approvals, and the command that approves.
fn not_approved(missing: &[MissingApproval]) -> String {
    let each: Vec<String> = missing.iter().map(MissingApproval::to_string).collect();
    // A command line names a versioned migration by its version, and a repeatable one by its stem.
    let reference = |missing: &MissingApproval| match missing.stem.split_once("__") {
        Some((version, _)) if version != "R" => version.to_owned(),
        _ => missing.stem.clone(),
    };
    let references: Vec<String> = missing.iter().map(reference).collect();
    let record = match missing.iter().any(|missing| missing.lint.is_none()) {
        true => ", or record what the linter finds with `cargo xtask approve --lint`",
        false => "",
    };
    format!(
        "{}; run `cargo xtask approve {} --as EMAIL`{record}, and commit {APPROVALS}",
        each.join("; "),
        references.join(" ")
    )
}

impl fmt::Display for MissingApproval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MissingApproval { stem, lint, needed, approved, not_counted } = self;
        let lacks = counted(needed.saturating_sub(*approved), "approval");
        let lint = lint.map_or("not recorded", LintSeverity::as_str);
        write!(f, "{stem} lacks {lacks} of {needed} (lint: {lint})")?;
        match not_counted.is_empty() {
            true => Ok(()),
            false => write!(f, " (not counted: {})", not_counted.join(", ")),
        }
    }
}

/// The gates and the reason, in one line.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gates: Vec<&str> = self.gates.iter().map(EnvironmentGate::as_str).collect();
        let gates = if gates.is_empty() { "none was closed".to_owned() } else { gates.join(", ") };
        write!(f, "{gates}; reason: {}", visible_line(&self.reason))
    }
}
