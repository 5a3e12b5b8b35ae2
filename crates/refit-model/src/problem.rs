//! Problems of a folder, in one form: place, message, fix.

use std::fmt;

use serde::Serialize;

use crate::text::Position;
use crate::wording::counted;

/// A problem with a file of a migrations folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file, relative to the folder, with `/` between parts.
    pub path: String,
    /// The position in the file, if the problem has one.
    pub position: Option<Position>,
    /// The problem.
    pub message: String,
    /// How to fix it.
    pub fix: String,
}

impl Problem {
    /// A problem with a file as a whole.
    pub fn new(path: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Problem {
        Problem { path: path.into(), position: None, message: message.into(), fix: fix.into() }
    }

    /// The same problem with a position in the file.
    #[must_use]
    pub fn at(self, position: Position) -> Problem {
        Problem { position: Some(position), ..self }
    }
}

/// Two files of a folder have the same version; `next` is the first free version after all others.
pub fn same_version(path: &str, other: &str, version: i64, next: i64) -> Problem {
    let message = format!("version {version} is also used by {other}");
    Problem::new(path, message, format!("give one of them another version, such as {next}"))
}

/// A SQL file has nothing to run.
pub(crate) fn no_statement(path: &str) -> Problem {
    let fix = "write its statement, or `SELECT 1;` if it should do nothing";
    Problem::new(path, "the file contains no statement", fix)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        if !self.fix.is_empty() {
            write!(f, "\n    fix: {}", self.fix)?;
        }
        Ok(())
    }
}

/// All problems of a migrations folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetError {
    /// The folder, as the caller named it.
    pub folder: String,
    /// All problems, ordered by file and position; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems = counted(self.problems.len(), "problem");
        write!(f, "migrations folder {} has {problems}", self.folder)?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SetError {}
