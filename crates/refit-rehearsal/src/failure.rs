//! From an error of Refit's executor to the failure of a statement.

use refit_model::{Position, SqlText, Statement};

use crate::error::Error;
use crate::trace::Failure;

/// The failure, and the index of the statement that failed; none if the transaction failed at its end.
///
/// # Errors
/// The error itself, if it is not about the file.
pub(crate) fn failure_of(
    error: refit::Error,
    statements: &[Statement<'_>],
    text: &SqlText,
) -> Result<(Option<usize>, Failure), Error> {
    let start = |statement: Option<&Statement<'_>>| {
        statement.map_or(Position { line: 1, column: 1 }, |statement| text.position(statement.offset))
    };
    let at = match error {
        refit::Error::Statement(failed) => {
            let index = failed.statement.map(|number| number.saturating_sub(1));
            let at = failed.position.unwrap_or_else(|| start(statements.last()));
            let failure = Failure {
                sqlstate: failed.sqlstate,
                message: failed.message,
                detail: failed.detail,
                hint: failed.hint,
                line: at.line,
                column: at.column,
            };
            return Ok((index, failure));
        }
        refit::Error::TransactionControl { position, .. }
        | refit::Error::CannotResume { position, .. }
        | refit::Error::Misreads { position, .. }
        | refit::Error::Exists { position, .. }
        | refit::Error::StatementBegun { position, .. }
        | refit::Error::CopyThroughClient { position, .. } => position,
        refit::Error::Backfill { .. }
        | refit::Error::IndexBeingBuilt { .. }
        | refit::Error::LockLost { .. } => start(statements.first()),
        _ => return Err(error.into()),
    };
    let index = statements.iter().rposition(|statement| {
        let start = text.position(statement.offset);
        (start.line, start.column) <= (at.line, at.column)
    });
    // The place is shown with the failure.
    let message = error.message();
    let place = format!(":{}:{}: ", at.line, at.column);
    let message = message.split_once(&place).map_or(message.as_str(), |(_, rest)| rest);
    Ok((index, unsent(at, message)))
}

/// A failure without an error of the server.
pub(crate) fn unsent(at: Position, message: impl Into<String>) -> Failure {
    Failure {
        sqlstate: None,
        message: message.into(),
        detail: None,
        hint: None,
        line: at.line,
        column: at.column,
    }
}
