//! The next step for SQLSTATEs that people meet.

use tokio_postgres::error::SqlState;

/// A hint to follow the description of an error of Refit's own queries, with its separator; or nothing.
pub(crate) fn after(error: &tokio_postgres::Error) -> &'static str {
    match error.code() {
        // Which privilege that is, a run says itself.
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "; the privileges that each command needs are listed in docs/privileges.md"
        }
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => "; connect to the primary",
        None if error.is_closed() => "; the connection was cut: start again, nothing is half-done",
        _ => "",
    }
}

/// A hint for a failed statement of a migration, where the server gives none.
pub(crate) fn statement(code: &SqlState) -> Option<&'static str> {
    match code.code() {
        "25001" => Some(
            "this statement cannot run in a transaction: put it in its own file with `-- refit: transaction = false`",
        ),
        "55P04" => {
            Some("a new enum value can be used only after it is committed: use it in a later migration")
        }
        "55P03" => Some("end the sessions that hold the lock, or raise `-- refit: lock_timeout`"),
        "23502" | "23514" => Some("rows break the constraint: backfill them first"),
        "42501" => Some("give the migrating role the privilege, or run as the owner"),
        "42P07" | "42701" | "42710" => Some("it exists already: was it created by hand? adopt or drop it"),
        _ => None,
    }
}
