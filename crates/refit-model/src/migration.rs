//! The members of a set: a versioned migration with its companion files, a repeatable one, a seed.

use std::ops::Deref;

use serde::Serialize;

use crate::budget::Budget;
use crate::check::{Check, When};
use crate::directive::{Directives, Suppression};
use crate::file_name::Version;
use crate::sql_text::SqlText;
use crate::statement::{Statement, split_statements};

/// A companion file of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CompanionFile {
    /// Path relative to the folder.
    pub path: String,
    /// Normalized text.
    pub text: SqlText,
}

/// What versioned and repeatable migrations have in common: the file, what is read from it, and its companion files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationFile {
    /// The file name without `.sql`: `V0012__add_status`, `R__reporting_views`.
    pub stem: String,
    /// The name after the underscores: `add_status`.
    pub name: String,
    /// Path relative to the folder.
    pub path: String,
    /// Normalized text.
    #[serde(skip)]
    pub sql: SqlText,
    /// refinery's checksum over name, version (0 for a repeatable migration) and normalized text, as stored in the
    /// history.
    pub checksum: u64,
    /// Its front matter.
    pub directives: Directives,
    /// Lint suppressions in the text.
    pub suppressions: Vec<Suppression>,
    /// `<stem>.check.sql`: queries that return no rows when all is well.
    pub checks: Vec<Check>,
    /// `<stem>.budget.sql`: queries whose time is measured.
    pub budgets: Vec<Budget>,
    /// The text of that file.
    #[serde(skip)]
    pub check_file: Option<CompanionFile>,
    /// `<stem>.md`: purpose, risk, how to verify and roll back.
    pub doc: Option<CompanionFile>,
}

impl MigrationFile {
    /// The statements of the text, in order.
    pub fn statements(&self) -> Vec<Statement<'_>> {
        split_statements(&self.sql)
    }

    /// Its checks that run at a time.
    pub fn checks_when(&self, when: When) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.when == when)
    }
}

/// A versioned migration. It dereferences to its [`MigrationFile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// Orders it among the others.
    pub version: Version,
    /// Its file.
    #[serde(flatten)]
    pub file: MigrationFile,
    /// `<stem>.down.sql`: undoes it.
    pub down: Option<CompanionFile>,
}

impl Migration {
    /// The version for messages, with the digits of the file name: `V0012`.
    pub fn label(&self) -> &str {
        self.stem.split("__").next().unwrap_or(&self.stem)
    }
}

impl Deref for Migration {
    type Target = MigrationFile;

    fn deref(&self) -> &MigrationFile {
        &self.file
    }
}

/// A migration that runs again whenever its text changes, after all versioned ones. It dereferences to its
/// [`MigrationFile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repeatable {
    /// Its file.
    #[serde(flatten)]
    pub file: MigrationFile,
}

impl Deref for Repeatable {
    type Target = MigrationFile;

    fn deref(&self) -> &MigrationFile {
        &self.file
    }
}

/// Rows for an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seed {
    /// The environment of its folder.
    pub environment: String,
    /// Path relative to the folder.
    pub path: String,
    /// Normalized text.
    #[serde(skip)]
    pub sql: SqlText,
}
