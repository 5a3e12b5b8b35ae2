//! Rejects statements that would make a step not atomic, not resumable, or wait forever.

use refit_model::{SqlText, StatementKind};

use crate::error::Error;

/// Rejects a text with a statement that would make its step not atomic, not resumable, or wait forever.
pub(crate) fn can_run(path: &str, sql: &SqlText, transaction: bool) -> Result<(), Error> {
    for statement in refit_model::split_statements(sql) {
        // Computed only for an error: a position is found by reading everything before it.
        let refused = |what, instead| Error::CannotResume {
            path: path.to_owned(),
            position: sql.position(statement.offset),
            what,
            instead,
        };
        if let Some((what, instead)) = statement.changes_reading() {
            let position = sql.position(statement.offset);
            return Err(Error::Misreads { path: path.to_owned(), position, what, instead });
        }
        match &statement.kind {
            StatementKind::CreateIndexConcurrently { index: None, .. } if !transaction => {
                return Err(refused("an index without a name cannot be recognised later", "name it"));
            }
            _ if !transaction && statement.creates_temporary() => {
                let instead = "use an ordinary or unlogged table, and drop it at the end";
                return Err(refused("a temporary object is dropped with the session", instead));
            }
            StatementKind::TransactionControl => {
                let words = statement.text.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
                let position = sql.position(statement.offset);
                return Err(Error::TransactionControl { path: path.to_owned(), position, statement: words });
            }
            StatementKind::CopyThroughClient => {
                let position = sql.position(statement.offset);
                return Err(Error::CopyThroughClient { path: path.to_owned(), position });
            }
            _ => {}
        }
    }
    Ok(())
}
