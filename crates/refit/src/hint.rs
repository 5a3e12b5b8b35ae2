//! The next step for SQLSTATEs that people meet.

use tokio_postgres::error::SqlState;

/// A hint to follow the description of an error of Refit's own queries, with its separator; or nothing.
pub(crate) fn after(error: &tokio_postgres::Error) -> &'static str {
    match error.code() {
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE && !is_ours(error) => {
            "; give the migrating role the privilege, or run as the owner"
        }
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "; the role needs to read and write the history, and to create schema refit: \
             run `CREATE SCHEMA refit AUTHORIZATION <role>` as an owner, or use the role that owns the database"
        }
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => "; connect to the primary",
        None if error.is_closed() => "; the connection was cut: start again, nothing is half-done",
        _ => "",
    }
}

/// Whether the database, or what Refit itself keeps there, is what the role may not touch.
fn is_ours(error: &tokio_postgres::Error) -> bool {
    let ours = ["database", "schema", "refit", "refinery_schema_history", "run", "step", "repeatable"];
    let message = error.as_db_error().map_or("", |db| db.message());
    message.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| ours.contains(&word))
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
