//! Pins a session, so that Refit's own SQL means the same whatever the caller, the role or the database has set.
//!
//! If all roles may create in `public`, a function `public.format(text, name, name)` is a better match for a call than the server's
//! own. Refit's queries therefore run with nothing but `pg_catalog` in the search path; a migration's text runs with the path that
//! the caller's session had.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};
use tracing::warn;

use crate::error::Error;
use crate::queries::Queries;

/// The search path of Refit's own SQL: temporary objects come last.
pub(crate) const SEARCH_PATH: &str = "pg_catalog, pg_temp";

/// The pinned settings and their values.
///
/// - `row_security`: if a policy hides rows from one of Refit's queries, the query fails instead of returning a part of the rows.
/// - `standard_conforming_strings`: texts are split into statements as the server reads them.
/// - `quote_all_identifiers`: functions return names without unneeded quotes.
const SETTINGS: [(&str, &str); 4] = [
    ("search_path", SEARCH_PATH),
    ("row_security", "off"),
    ("standard_conforming_strings", "on"),
    ("quote_all_identifiers", "off"),
];

/// SQL that pins a session until its end or RESET ALL.
pub(crate) fn pin_sql() -> String {
    SETTINGS.map(|(name, value)| format!("SET {name} = {value};")).concat()
}

/// SQL that pins the current transaction.
pub(crate) fn pin_local_sql() -> String {
    SETTINGS.map(|(name, value)| format!("SET LOCAL {name} = {value};")).concat()
}

/// SQL that sets the search path of the current transaction.
pub(crate) fn local_search_path(path: &str) -> String {
    format!(
        "SELECT pg_catalog.set_config('search_path',{},true);",
        postgres_protocol::escape::escape_literal(path)
    )
}

/// The settings of the caller's session before it was pinned.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Its search path, as set.
    pub(crate) search_path: String,
    /// The source of that setting: `session`, `client`, `database`, `user`, `default`, …
    pub(crate) search_path_source: String,
    pub(crate) row_security: String,
    /// The schema in which it creates objects.
    pub(crate) current_schema: Option<String>,
    /// The OID of the table that was looked up on its search path.
    pub(crate) relation: Option<u32>,
    /// SQL that restores the settings that the session itself had changed.
    restore: String,
    /// Whether the pin ends with a transaction.
    local: bool,
}

impl Caller {
    /// Expressions that set the caller's row security and search path, for the transaction or the session.
    pub(crate) fn settings(&self, is_local: bool) -> String {
        let literal = postgres_protocol::escape::escape_literal;
        format!(
            "pg_catalog.set_config('row_security',{},{is_local}),pg_catalog.set_config('search_path',{},{is_local})",
            literal(&self.row_security),
            literal(&self.search_path)
        )
    }

    /// Pins the session, and looks up `table` on the caller's search path, in one round trip. [`Caller::unpin`] undoes it.
    pub(crate) async fn pin(client: &Client, table: &str) -> Result<Caller, Error> {
        Caller::pinned(client, table, false).await
    }

    /// The same in a transaction, which [`Caller::unpin`] commits: behind a pooler, the next statement may run on another session,
    /// and session settings would leak to other clients.
    pub(crate) async fn pin_locally(client: &Client, table: &str) -> Result<Caller, Error> {
        require_no_transaction(client, "BEGIN").await?;
        let caller = Caller::pinned(client, table, true).await;
        if caller.is_err() {
            client.batch_execute_boxed("ROLLBACK").await.ok();
        }
        caller
    }

    fn pinned<'a>(client: &'a Client, table: &'a str, local: bool) -> BoxFuture<'a, Result<Caller, Error>> {
        Caller::read_and_pin(client, table, local).boxed()
    }

    async fn read_and_pin(client: &Client, table: &str, local: bool) -> Result<Caller, Error> {
        // The session is not pinned yet, so every name and operator is qualified. A SELECT list is evaluated from left to right, so
        // settings are read before they are changed.
        let source = |name: &str| {
            format!(
                "(SELECT source FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) '{name}'::pg_catalog.text)"
            )
        };
        let read: Vec<String> = SETTINGS
            .iter()
            .map(|(name, _)| format!("pg_catalog.current_setting('{name}'), {}", source(name)))
            .collect();
        let set: Vec<String> = SETTINGS
            .iter()
            .map(|(name, value)| format!("pg_catalog.set_config('{name}', '{value}', {local})"))
            .collect();
        let sql = format!(
            "SELECT {}, pg_catalog.current_schema()::pg_catalog.text, pg_catalog.to_regclass($1)::pg_catalog.oid, {}",
            read.join(", "),
            set.join(", ")
        );
        let row = client.query_one_boxed(&sql, &[(&table, Type::TEXT)]).await;
        let row = row.map_err(Error::database("looking at the session"))?;
        let value = |index: usize| row.get::<_, Option<String>>(index).unwrap_or_default();
        let restore = SETTINGS.iter().enumerate().map(|(index, (name, _))| {
            if value(2 * index + 1) == "session" {
                let value = postgres_protocol::escape::escape_literal(&value(2 * index));
                format!("SELECT pg_catalog.set_config('{name}', {value}, false);")
            } else {
                String::new()
            }
        });
        Ok(Caller {
            search_path: value(0),
            search_path_source: value(1),
            row_security: value(2),
            restore: restore.collect(),
            local,
            current_schema: row.get(2 * SETTINGS.len()),
            relation: row.get(2 * SETTINGS.len() + 1),
        })
    }

    /// SQL that restores the settings that the caller's session had changed, after RESET ALL.
    pub(crate) fn restore(&self) -> &str {
        &self.restore
    }

    /// Restores the session. Fails only if the connection does, which its next use reports.
    pub(crate) async fn unpin(&self, client: &Client) {
        if self.local {
            if let Err(error) = client.batch_execute_boxed("COMMIT").await
                && !error.is_closed()
            {
                warn!(error = %crate::error::describe(&error), "cannot end a transaction");
            }
            return;
        }
        let reset = SETTINGS.map(|(name, _)| format!("RESET {name};")).concat();
        if let Err(error) = client.batch_execute_boxed(&format!("{reset}{}", self.restore)).await
            && !error.is_closed()
        {
            warn!(error = %crate::error::describe(&error), "cannot restore the settings of the session");
        }
    }
}

/// Refuses a session that is in a transaction, because Refit would end the caller's. Otherwise runs `then` in the same message, and
/// returns the pid of the session's server process.
pub(crate) async fn require_no_transaction(client: &Client, then: &str) -> Result<i32, Error> {
    // Outside a transaction, the two times are equal.
    let sql = format!(
        "SELECT pg_catalog.pg_backend_pid(), \
             pg_catalog.transaction_timestamp() OPERATOR(pg_catalog.=) pg_catalog.statement_timestamp();{then}"
    );
    let messages =
        client.simple_query_boxed(&sql).await.map_err(Error::database("looking at the session"))?;
    let found = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0)?.parse().ok()?, row.get(1)?)),
        _ => None,
    });
    match found {
        Some((process, "t")) => Ok(process),
        _ => Err(Error::InTransaction),
    }
}

/// The names of the pinned settings.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|(name, _)| *name)
}

/// Runs `work` on the caller's session in a transaction with pinned settings: only `pg_catalog` is in the search path, and row
/// security raises an error where it would hide rows.
///
/// # Errors
/// [`Error::InTransaction`] in a transaction, errors of the connection, and those of `work`.
pub async fn pinned<T, E: From<Error>>(
    client: &Client,
    work: impl AsyncFnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let caller = Caller::pin_locally(client, "pg_catalog.pg_class").await?;
    let outcome = work().await;
    caller.unpin(client).await;
    outcome
}
