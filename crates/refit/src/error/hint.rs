//! Hints for common SQLSTATEs.

use tokio_postgres::error::{DbError, SqlState};

/// The hint after the description of an error of Refit's own queries, with its separator; or empty.
pub(crate) fn after(error: &tokio_postgres::Error) -> &'static str {
    match error.code() {
        // The error of a run names the privilege.
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "; the privileges that each command needs are listed in docs/privileges.md"
        }
        Some(code) if *code == SqlState::QUERY_CANCELED && !is_by_request(error.as_db_error()) => {
            "; a statement_timeout of the role or the database canceled it: disable it for the migrating role with \
             `ALTER ROLE … SET statement_timeout = 0`"
        }
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => "; connect to the primary",
        None if error.is_closed() => "; the connection was lost: run again to continue",
        _ => "",
    }
}

/// Whether another session canceled the statement, rather than a timeout. The message is in the server's language; if that is not
/// English, a timeout is assumed, which is far more common.
fn is_by_request(error: Option<&DbError>) -> bool {
    error.is_some_and(|db| db.message().contains("user request"))
}

/// The hint for a failed statement of a migration if the server gives none; `rest` is the text from the position of the error on.
pub(crate) fn statement(error: &DbError, transaction: bool, rest: &str) -> Option<&'static str> {
    let hint = match error.code().code() {
        "25001" => {
            "this statement cannot run in a transaction: put it in its own file with `-- refit: transaction = false`"
        }
        "2D000" => {
            "COMMIT and ROLLBACK in a DO block or a procedure end the transaction that the migration runs in: put the \
             statement in its own file with `-- refit: transaction = false`"
        }
        "55P04" => "a new enum value can be used only after it is committed: use it in a later migration",
        "55P03" => "end the sessions that hold the lock, or raise `-- refit: lock_timeout`",
        "57014" if is_by_request(Some(error)) => "another session canceled the statement",
        "57014" | "25P04" => timeout(error.code(), transaction),
        "42601" if rest.starts_with("\\restrict") || rest.starts_with("\\unrestrict") => {
            "pg_dump writes \\restrict and \\unrestrict for psql, and the server rejects them: remove both lines"
        }
        "42601" if rest.starts_with('\\') => {
            "this is a command of psql, which the server rejects: write it as SQL, or remove it"
        }
        "23502" | "23514" => "rows break the constraint: backfill them first",
        "42501" => "grant the privilege to the migrating role, or run as the owner",
        "42P07" | "42701" | "42710" => {
            "it already exists: if it was created by hand, drop it, or remove this statement"
        }
        _ => return None,
    };
    Some(hint)
}

fn timeout(code: &SqlState, transaction: bool) -> &'static str {
    match (code.code(), transaction) {
        ("57014", true) => {
            "a statement_timeout of the role, the database or the server canceled it: begin the file with \
             `SET LOCAL statement_timeout = 0;`, or disable it for the migrating role with \
             `ALTER ROLE … SET statement_timeout = 0`"
        }
        ("57014", false) => {
            "a statement_timeout of the role, the database or the server canceled it: begin the file with \
             `SET statement_timeout = 0;`, or disable it for the migrating role with \
             `ALTER ROLE … SET statement_timeout = 0`"
        }
        _ => {
            "a transaction_timeout of the role, the database or the server ended the session: begin the file with \
             `SET LOCAL transaction_timeout = 0;`, or disable it for the migrating role with \
             `ALTER ROLE … SET transaction_timeout = 0`"
        }
    }
}
