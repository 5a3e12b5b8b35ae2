//! Why a batch did not commit, derived from its errors.

use super::failed::Failed;

/// Why a batch did not commit.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// Another worker has the range.
    Lost,
    /// An operator stopped or changed the job.
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

/// A standby rejects transactions that write: during a failover, the worker may be connected to it for a moment.
pub(super) fn unwritable(error: tokio_postgres::Error) -> Failed {
    let failed = Failed::from(error);
    match failed.sqlstate.as_deref() {
        Some("0A000") => Failed { sqlstate: Some("25006".to_owned()), ..failed },
        _ => failed,
    }
}

/// The transaction was read-write, so a read-only error means that the function ended it.
pub(super) fn ended(failed: Failed) -> Failed {
    match failed.sqlstate.as_deref() {
        Some("25006") => Failed::new(
            "",
            "the function ended the transaction of its batch: remove COMMIT and ROLLBACK from it",
        ),
        _ => failed,
    }
}

/// If the name that the statement locked is no longer the range's table, reading a setting that does not exist failed the
/// transaction, and the range is started again under the current name of its table.
pub(super) fn renamed_or_ended(error: tokio_postgres::Error) -> NotDone {
    let failed = Failed::from(error);
    match failed.message.contains("refit.the_table_has_another_name") {
        true => NotDone::Stopped,
        false => ended(failed).into(),
    }
}
