//! The next step for SQLSTATEs that people meet.

use tokio_postgres::error::{DbError, SqlState};

/// A hint to follow the description of an error of Refit's own queries, with its separator; or nothing.
pub(crate) fn after(error: &tokio_postgres::Error) -> &'static str {
    match error.code() {
        // Which privilege that is, a run says itself.
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "; the privileges that each command needs are listed in docs/privileges.md"
        }
        Some(code) if *code == SqlState::QUERY_CANCELED && !is_by_request(error.as_db_error()) => {
            "; a statement_timeout of the role or the database ended it: lift it for the migrating role with \
             `ALTER ROLE … SET statement_timeout = 0`"
        }
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => "; connect to the primary",
        None if error.is_closed() => "; the connection was cut: start again, nothing is half-done",
        _ => "",
    }
}

/// Whether a session was canceled by another one, and not by a limit. The message is in the server's language; where it is not
/// English, a limit is by far the likelier cause.
fn is_by_request(error: Option<&DbError>) -> bool {
    error.is_some_and(|db| db.message().contains("user request"))
}

/// A hint for a failed statement of a migration, where the server gives none; `rest` is the text from the place on that the
/// server points to.
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
            "pg_dump writes \\restrict and \\unrestrict for psql, the server does not know them: remove both lines"
        }
        "42601" if rest.starts_with('\\') => {
            "this is a command of psql, which the server does not know: write it as SQL, or remove it"
        }
        "23502" | "23514" => "rows break the constraint: backfill them first",
        "42501" => "give the migrating role the privilege, or run as the owner",
        "42P07" | "42701" | "42710" => "it exists already: was it created by hand? adopt or drop it",
        _ => return None,
    };
    Some(hint)
}

fn timeout(code: &SqlState, transaction: bool) -> &'static str {
    match (code.code(), transaction) {
        ("57014", true) => {
            "a statement_timeout ended it, which the role, the database or the server sets: begin the file with \
             `SET LOCAL statement_timeout = 0;`, or lift it for the migrating role with \
             `ALTER ROLE … SET statement_timeout = 0`"
        }
        ("57014", false) => {
            "a statement_timeout ended it, which the role, the database or the server sets: begin the file with \
             `SET statement_timeout = 0;`, or lift it for the migrating role with \
             `ALTER ROLE … SET statement_timeout = 0`"
        }
        _ => {
            "a transaction_timeout ended the session, which the role, the database or the server sets: begin the file \
             with `SET LOCAL transaction_timeout = 0;`, or lift it for the migrating role with \
             `ALTER ROLE … SET transaction_timeout = 0`"
        }
    }
}
