//! Why a batch did not commit, from its own statements and the server's answers.

use super::failed::Failed;

/// Why a batch did not commit.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// Another worker has the range.
    Lost,
    /// An operator wants something else.
    Stopped,
    /// It failed.
    Failed(Failed),
}

impl From<Failed> for NotDone {
    fn from(failed: Failed) -> NotDone {
        NotDone::Failed(failed)
    }
}

impl From<tokio_postgres::Error> for NotDone {
    fn from(error: tokio_postgres::Error) -> NotDone {
        NotDone::Failed(error.into())
    }
}

/// A server that replays another's WAL begins no transaction that writes: it may be the wrong one for a moment.
pub(super) fn unwritable(error: tokio_postgres::Error) -> Failed {
    let failed = Failed::from(error);
    match failed.sqlstate.as_deref() {
        Some("0A000") => Failed { sqlstate: Some("25006".to_owned()), ..failed },
        _ => failed,
    }
}

/// In a transaction that was begun to write, a function that meets a read-only one has ended it.
pub(super) fn ended(failed: Failed) -> Failed {
    match failed.sqlstate.as_deref() {
        Some("25006") => Failed::new("", "the function has ended the transaction of its batch"),
        _ => failed,
    }
}

/// What the statement has locked is what its name meant then: where that is no longer the range's table, reading a setting that does not
/// exist has ended the transaction, and the range is begun again under the name that its table has now.
pub(super) fn renamed_or_ended(error: tokio_postgres::Error) -> NotDone {
    let failed = Failed::from(error);
    match failed.message.contains("refit.the_table_has_another_name") {
        true => NotDone::Stopped,
        false => ended(failed).into(),
    }
}
