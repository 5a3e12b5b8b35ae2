//! The failure of a statement of a migration: where in which file, what the server said, and what is left of the step.

use std::fmt;

use refit_model::{Position, visible, visible_line};
use serde::Serialize;

/// A statement of a migration that failed, with its place in the file.
///
/// Secrets of the migration, such as the password of a CREATE ROLE, are replaced by `********` in each of its texts. The
/// texts are as the server said them; `Display` also escapes control characters.
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
    /// Where in the file.
    pub position: Option<Position>,
    /// The line at that place.
    pub line: Option<String>,
    /// The column of `line`, from 1, that the place is at: not that of `position` where a secret before it was replaced.
    pub caret: Option<usize>,
    /// The SQLSTATE, when the server said it.
    pub sqlstate: Option<String>,
    /// What the server or the driver said.
    pub message: String,
    /// The server's detail.
    pub detail: Option<String>,
    /// The server's hint, or ours.
    pub hint: Option<String>,
    /// Where inside a function it happened.
    pub context: Option<String>,
    /// How often the step was tried.
    pub attempts: usize,
    /// Who held the locks, when the step gave up waiting for one.
    pub blockers: Vec<String>,
    /// What is left of the step.
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

/// A text of the server, each further line below the first: none can be taken for a line of ours.
fn indented(text: &str) -> String {
    visible(text).replace('\n', "\n           ")
}

/// A caret under a column of a line that is shown with escapes; tabs are kept so that it lines up.
fn caret_under(line: &str, column: usize) -> String {
    let before: String = line.chars().take(column.saturating_sub(1)).collect();
    let indent: String = visible(&before).chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    format!("{indent}^")
}
