//! Turns an error of the server into an error with file, line and column.

use refit_model::redact::{self, Secrets};
use refit_model::{Position, SqlText, split_statements};
use tokio_postgres::error::{ErrorPosition, SqlState};

use super::opening::Extent;
use super::step::Step;
use crate::error::{Error, StatementError, repair_commands};
use crate::plan::StepKind;

/// A failed attempt at a step, or at one statement of it.
pub(crate) struct Attempt {
    pub(crate) error: tokio_postgres::Error,
    /// Statements of the message that completed.
    pub(crate) completed: usize,
    /// What the message contained before the migration's text.
    pub(crate) opening: Extent,
    /// The byte of the migration's text at which the message continues it; `None` if a position in the message has no
    /// counterpart in the text.
    pub(crate) offset: Option<usize>,
    /// The sessions that held the locks it waited for.
    pub(crate) blockers: Vec<String>,
}

/// The state that a failed step leaves.
pub(crate) enum Remains {
    /// It was rolled back.
    Nothing,
    /// Statements before this one, counted from 0, are complete.
    Statements { failed: usize },
    /// Statements before this one are complete, and this one may have committed a part of its work; `step` is how `repair` names
    /// the step.
    Partial { failed: usize, step: String },
}

impl Remains {
    /// The text for the error, with what to do; `cut` if the server did not report that the statement failed.
    fn describe(&self, undo: bool, cut: bool) -> String {
        let text = match self {
            Remains::Nothing if cut => {
                "it was committed or rolled back as a whole; run again, and the history shows which"
            }
            Remains::Nothing if undo => "the down file was rolled back; fix it and run again",
            Remains::Nothing => "the migration was rolled back; fix it and run again",
            Remains::Partial { failed, step } => {
                return format!(
                    "statement {} was sent outside a transaction: what it committed before it failed stays, and it may be \
                     incomplete; it is not sent again until you decide: {}",
                    failed + 1,
                    repair_commands(step)
                );
            }
            Remains::Statements { failed } if cut => {
                return format!(
                    "statement {} may be complete, those before it are; run again to resume here",
                    failed + 1
                );
            }
            Remains::Statements { failed: 0 } => "none of its statements was applied; fix it and run again",
            Remains::Statements { failed } => {
                return format!(
                    "its first {failed} statements are applied and will not run again; run again to resume here"
                );
            }
        };
        text.to_owned()
    }
}

/// The failure of a message that contains nothing of the text.
pub(crate) fn alone((error, completed): (tokio_postgres::Error, usize)) -> Attempt {
    Attempt { error, completed, opening: Extent::default(), offset: None, blockers: Vec::new() }
}

impl Attempt {
    /// The failure of a message that was one statement of the text, and nothing else. `offset` is its first byte in the text;
    /// `None` if the message differs from the text.
    pub(crate) fn of_statement(error: tokio_postgres::Error, offset: Option<usize>) -> Attempt {
        Attempt { offset, ..alone((error, 0)) }
    }

    /// Whether it failed before the migration's own text began.
    pub(crate) fn in_opening(&self) -> bool {
        self.completed < self.opening.statements
    }

    /// Whether the server may have completed the step: the connection is open, but the response could not be read.
    pub(crate) fn is_misread(&self) -> bool {
        self.error.as_db_error().is_none() && !self.error.is_closed()
    }

    pub(crate) fn into_error(self, step: &Step<'_>, attempts: u32, remains: Remains) -> Error {
        let statements = split_statements(step.sql);
        let index = match &remains {
            Remains::Nothing => self.completed.checked_sub(self.opening.statements),
            Remains::Statements { failed } | Remains::Partial { failed, .. } => Some(*failed),
        };
        let position = self.position(step.sql);
        // A syntax error fails the whole message before its first statement; its position shows which statement has it.
        let failed = match position {
            Some((byte, _)) => statements.iter().rposition(|statement| statement.offset <= byte),
            None if self.in_opening() => None,
            None => index.filter(|index| *index < statements.len()),
        };
        let place = position.map(|(byte, _)| byte);
        let position = match position {
            Some((_, position)) => Some(position),
            None => failed.map(|index| step.sql.position(statements[index].offset)),
        };
        // A server that shuts down or ends the session reports an error. For the step it is a lost connection like any other.
        let db = self.error.as_db_error().filter(|db| !is_cut(db.code()));
        let rest = place.map_or("", |byte| &step.sql[byte..]);
        let own_hint =
            db.and_then(|db| crate::error::statement_hint(db, step.transaction, rest)).map(str::to_owned);
        // The server quotes what it was sent; only the text shows which parts of that are secret.
        let secrets = Secrets::of(step.sql);
        let written = step.sql.written();
        let shown = position.and_then(|at| Secrets::of(written).line(written, at.line, at.column));
        Error::Statement(Box::new(StatementError {
            migration: step.stem.to_owned(),
            path: step.path.to_owned(),
            statement: failed.map(|index| index + 1),
            statements: statements.len(),
            line: shown.as_ref().map(|(line, _)| shorten(line)),
            caret: shown.map(|(_, column)| column),
            position,
            sqlstate: self.error.code().map(|code| code.code().to_owned()),
            message: match db {
                Some(db) => secrets.redact(db.message()),
                None if self.is_misread() => {
                    format!("cannot read the server's response ({})", crate::error::describe(&self.error))
                }
                None => format!("the connection was lost ({})", crate::error::describe(&self.error)),
            },
            detail: db.and_then(|db| {
                let detail = redact::detail(db.code().code(), db.detail()?);
                Some(secrets.redact(&detail))
            }),
            hint: db.and_then(|db| db.hint()).map(|hint| secrets.redact(hint)).or(own_hint),
            context: db.and_then(|db| db.where_()).map(|context| secrets.redact(&redact::context(context))),
            attempts: attempts as usize,
            blockers: self.blockers,
            remains: remains.describe(step.kind == StepKind::Undo, db.is_none()),
        }))
    }

    /// The byte of what was sent, and the position in the file, that the server's error refers to, if it refers to the migration's text.
    fn position(&self, sql: &SqlText) -> Option<(usize, Position)> {
        let Some(ErrorPosition::Original(character)) = self.error.as_db_error()?.position() else {
            return None;
        };
        let before = sql[..self.offset?].chars().count();
        let index = (*character as usize).checked_sub(self.opening.characters + 1)? + before;
        let (byte, _) = sql.char_indices().nth(index)?;
        Some((byte, sql.position(byte)))
    }
}

/// Whether the server ended the session: by a shutdown, a crash or `pg_terminate_backend`.
pub(crate) fn is_cut(code: &SqlState) -> bool {
    matches!(code.code(), "57P01" | "57P02" | "57P03" | "57P05")
}

/// A line that is short enough for a terminal and a log.
fn shorten(line: &str) -> String {
    const AT_MOST: usize = 300;
    if line.chars().count() <= AT_MOST {
        line.to_owned()
    } else {
        line.chars().take(AT_MOST).chain("…".chars()).collect()
    }
}
