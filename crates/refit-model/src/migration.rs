//! The members of a set: a versioned migration with its sidecars, a repeatable one, a seed.

use std::borrow::Cow;

use serde::Serialize;

use crate::directive::{Directives, Suppression};
use crate::file_name::Version;
use crate::statement::{Statement, split_statements};

/// A sibling file of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sidecar {
    /// Path relative to the folder.
    pub path: String,
    /// Normalised text.
    pub text: Cow<'static, str>,
}

/// One versioned change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// What orders it.
    pub version: Version,
    /// The file name without `.sql`: `V0012__add_status`.
    pub stem: String,
    /// What follows the underscores: `add_status`.
    pub name: String,
    /// Path relative to the folder.
    pub path: String,
    /// Normalised text.
    #[serde(skip)]
    pub sql: Cow<'static, str>,
    /// refinery's checksum over name, version and normalised text, as the history keeps it.
    pub checksum: u64,
    /// What the front matter says.
    pub directives: Directives,
    /// Lint suppressions in the text.
    pub suppressions: Vec<Suppression>,
    /// `<stem>.down.sql`: undoes it.
    pub down: Option<Sidecar>,
    /// `<stem>.check.sql`: what must hold afterwards.
    pub check: Option<Sidecar>,
    /// `<stem>.md`: purpose, risk, how to verify and roll back.
    pub doc: Option<Sidecar>,
}

impl Migration {
    /// The statements of the text, in order.
    pub fn statements(&self) -> Vec<Statement<'_>> {
        split_statements(&self.sql)
    }

    /// The version as messages show it, with the digits that the file has: `V0012`.
    pub fn label(&self) -> &str {
        self.stem.split("__").next().unwrap_or(&self.stem)
    }
}

/// A migration that runs again whenever its text changes, after all versioned ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repeatable {
    /// The file name without `.sql`: `R__reporting_views`.
    pub stem: String,
    /// What follows the underscores: `reporting_views`.
    pub name: String,
    /// Path relative to the folder.
    pub path: String,
    /// Normalised text.
    #[serde(skip)]
    pub sql: Cow<'static, str>,
    /// The same checksum as for a migration, with version 0.
    pub checksum: u64,
    /// What the front matter says.
    pub directives: Directives,
    /// Lint suppressions in the text.
    pub suppressions: Vec<Suppression>,
    /// `<stem>.check.sql`.
    pub check: Option<Sidecar>,
    /// `<stem>.md`.
    pub doc: Option<Sidecar>,
}

/// Rows for one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seed {
    /// The environment whose folder it is in.
    pub environment: String,
    /// Path relative to the folder.
    pub path: String,
    /// Normalised text.
    #[serde(skip)]
    pub sql: Cow<'static, str>,
}
