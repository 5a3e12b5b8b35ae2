//! From what the server said to an error with file, line and column.

use refit_model::{Position, Statement, split_statements};
use tokio_postgres::error::ErrorPosition;

use crate::error::{Error, StatementError};
use crate::step::{OPENING_STATEMENTS, Step};

/// A failed attempt at a step, or at one statement of it.
pub(crate) struct Attempt {
    pub(crate) error: tokio_postgres::Error,
    /// Statements of the message that completed.
    pub(crate) completed: usize,
    /// Characters of the message before the migration's text.
    pub(crate) opening: usize,
    /// Who held the locks that it waited for.
    pub(crate) blockers: Vec<String>,
}

/// What a failed step leaves behind.
pub(crate) enum Remains {
    /// It was rolled back.
    Nothing,
    /// Statements before this one, counted from 0, are complete.
    Statements { failed: usize, offset: usize },
}

impl Attempt {
    /// Whether it failed before the migration's own text began.
    pub(crate) fn in_opening(&self) -> bool {
        self.completed < OPENING_STATEMENTS && self.opening > 0
    }

    pub(crate) fn into_error(self, step: &Step<'_>, attempts: u32, remains: Remains) -> Error {
        let statements = split_statements(step.sql);
        let (index, offset) = match remains {
            Remains::Nothing => (self.completed.checked_sub(OPENING_STATEMENTS), 0),
            Remains::Statements { failed, offset } => (Some(failed), offset),
        };
        let position = self.position(step.sql, offset);
        // A syntax error fails the whole message before its first statement; its place tells which one is meant.
        let failed = match position {
            Some(at) => statement_at(&statements, step.sql, at),
            None if self.in_opening() => None,
            None => index.filter(|index| *index < statements.len()),
        };
        let position = position.or_else(|| failed.map(|index| statements[index].position(step.sql)));
        let db = self.error.as_db_error();
        let own_hint = db.and_then(|db| crate::hint::statement(db.code())).map(str::to_owned);
        Error::Statement(Box::new(StatementError {
            migration: step.stem.to_owned(),
            path: step.path.to_owned(),
            statement: failed.map(|index| index + 1),
            statements: statements.len(),
            line: position.and_then(|at| step.sql.lines().nth(at.line - 1)).map(shorten),
            position,
            sqlstate: db.map(|db| db.code().code().to_owned()),
            message: match db {
                Some(db) => db.message().to_owned(),
                None => format!("the connection was cut ({})", crate::error::describe(&self.error)),
            },
            detail: db.and_then(|db| db.detail()).map(str::to_owned),
            hint: db.and_then(|db| db.hint()).map(str::to_owned).or(own_hint),
            context: db.and_then(|db| db.where_()).map(str::to_owned),
            attempts: attempts as usize,
            blockers: self.blockers,
            remains: match remains {
                Remains::Nothing if db.is_none() => {
                    "nothing of this migration is half-done; start again, and the history tells whether it was committed"
                        .to_owned()
                }
                Remains::Nothing => "nothing of this migration was applied; mend it and start again".to_owned(),
                Remains::Statements { failed: 0, .. } => {
                    "none of its statements was applied; mend it and start again".to_owned()
                }
                Remains::Statements { failed, .. } => format!(
                    "its first {failed} statements are applied and will not run again; start again to go on from here"
                ),
            },
        }))
    }

    /// Where in the file the server points to, when it points into the migration's text.
    fn position(&self, sql: &str, offset: usize) -> Option<Position> {
        let Some(ErrorPosition::Original(character)) = self.error.as_db_error()?.position() else {
            return None;
        };
        let before = sql[..offset].chars().count();
        let index = (*character as usize).checked_sub(self.opening + 1)? + before;
        let (byte, _) = sql.char_indices().nth(index)?;
        Some(Position::of(sql, byte))
    }
}

fn statement_at(statements: &[Statement<'_>], sql: &str, at: Position) -> Option<usize> {
    statements.iter().rposition(|statement| statement.position(sql) <= at)
}

/// A line that fits a terminal and a log.
fn shorten(line: &str) -> String {
    const AT_MOST: usize = 300;
    if line.chars().count() <= AT_MOST {
        line.to_owned()
    } else {
        line.chars().take(AT_MOST).chain("…".chars()).collect()
    }
}
