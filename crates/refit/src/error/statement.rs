//! The failure of a statement of a migration: its place, the server's message, and the state of the step.

use std::fmt;

use refit_model::{Position, visible, visible_line};
use serde::Serialize;

/// A statement of a migration that failed, with its place in the file.
///
/// Secrets of the migration, such as the password of a CREATE ROLE, are replaced by `********` in each of its texts. The
/// texts are otherwise those of the server; `Display` also escapes control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatementError {
    /// The migration's stem.
    pub migration: String,
    /// The file, relative to the folder.
    pub path: String,
    /// Which statement of the file, from 1; `None` when the commit failed.
    pub statement: Option<usize>,
    /// How many statements the file has.
    pub statements: usize,
    /// The position in the file.
    pub position: Option<Position>,
    /// The line at that position.
    pub line: Option<String>,
    /// The column in `line`, from 1: it differs from that of `position` if a secret before it was replaced.
    pub caret: Option<usize>,
    /// The SQLSTATE, if the server reported the error.
    pub sqlstate: Option<String>,
    /// The message of the server or the driver.
    pub message: String,
    /// The server's detail.
    pub detail: Option<String>,
    /// The server's hint, or Refit's.
    pub hint: Option<String>,
    /// The server's context: for example, where in a function it happened.
    pub context: Option<String>,
    /// The number of attempts at the step.
    pub attempts: usize,
    /// The sessions that held the locks, if the step timed out waiting for one.
    pub blockers: Vec<String>,
    /// The state of the step, and how to continue.
    pub remains: String,
}

impl fmt::Display for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = visible_line(&self.path);
        write!(f, "{path} failed")?;
        match self.statement {
            Some(statement) if self.statements > 1 => {
                write!(f, " in statement {statement} of {}", self.statements)?
            }
            Some(_) => {}
            None => write!(f, " when it was committed")?,
        }
        if self.attempts > 1 {
            write!(f, " after {} attempts", self.attempts)?;
        }
        let sqlstate = self.sqlstate.as_ref().map_or(String::new(), |code| format!(" {code}"));
        write!(f, "\nerror{sqlstate}: {}", indented(&self.message))?;
        if let (Some(position), Some(line)) = (self.position, &self.line) {
            let number = position.line.to_string();
            let margin = " ".repeat(number.len());
            let caret = caret_under(line, self.caret.unwrap_or(position.column));
            write!(f, "\n{margin}--> {path}:{}:{}", position.line, position.column)?;
            write!(f, "\n{margin} |\n{number} | {}\n{margin} | {caret}", visible(line))?;
        }
        for (label, value) in [("detail", &self.detail), ("hint", &self.hint), ("context", &self.context)] {
            if let Some(value) = value {
                write!(f, "\n  {label}: {}", indented(value))?;
            }
        }
        for blocker in &self.blockers {
            write!(f, "\n  blocked by: {}", visible_line(blocker))?;
        }
        write!(f, "\n  {}", self.remains)
    }
}

impl std::error::Error for StatementError {}

/// A text of the server with its further lines indented, so that none can be mistaken for a line of Refit's.
fn indented(text: &str) -> String {
    visible(text).replace('\n', "\n           ")
}

/// A caret under a column of a line that is shown with escapes; tabs are kept so that it lines up.
fn caret_under(line: &str, column: usize) -> String {
    let before: String = line.chars().take(column.saturating_sub(1)).collect();
    let indent: String = visible(&before).chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    format!("{indent}^")
}
