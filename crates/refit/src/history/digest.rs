//! The only SELECT of a boot with nothing to do: the history as a sum of hashes.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::Expected;
use crate::error::Error;
use crate::options::Options;
use crate::queries::Queries;

pub(crate) enum Found {
    Same,
    Other,
    /// The tables belong to another role, or hide rows: they were not read.
    Unknown,
}

/// Reads the digests; with `trusted`, also if the tables belong to another role.
pub(crate) async fn digests(
    client: &Client,
    options: &Options,
    table: &str,
    expected: &Expected<'_>,
    trusted: bool,
) -> Result<Found, Error> {
    let repeatable = expected.digest.repeatable.is_some();
    match client.simple_query_boxed(&digests_sql(table, options.state_schema(), repeatable, !trusted)).await {
        Ok(messages) => {
            let mut rows = messages.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let (versioned, repeatable) = (rows.next(), rows.next());
            if versioned.is_some_and(|row| row.get(1) == Some("t")) {
                return Err(Error::RowSecurity { table: table.to_owned() });
            }
            let same = versioned.is_some_and(|row| digest(row) == expected.digest.versioned)
                && repeatable.map(digest) == expected.digest.repeatable;
            Ok(if same { Found::Same } else { Found::Other })
        }
        // The guard failed.
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_OBJECT) => Ok(Found::Unknown),
        // A table does not exist, or an older release wrote the state.
        Err(error)
            if error.code().is_some_and(|code| {
                [
                    SqlState::UNDEFINED_TABLE,
                    SqlState::UNDEFINED_COLUMN,
                    SqlState::INVALID_SCHEMA_NAME,
                    // The role may read the history but not the state.
                    SqlState::INSUFFICIENT_PRIVILEGE,
                ]
                .contains(code)
            }) =>
        {
            Ok(Found::Other)
        }
        Err(error) => Err(Error::database("reading the history")(error)),
    }
}

/// A cheap query, sent by the simple protocol. Before it, in the same message, a guard fails unless the tables belong to this role:
/// reading another role's view or policy would run its functions. The session is not pinned, so every name and operator is
/// qualified, except the table that the caller's search path finds.
fn digests_sql(table: &str, state_schema: &str, repeatable: bool, guarded: bool) -> String {
    let guard = |tables: &[String]| if guarded { guard(tables) } else { String::new() };
    let sum = "pg_catalog.sum(pg_catalog.hashtextextended(checksum::pg_catalog.text COLLATE pg_catalog.\"C\", 0::pg_catalog.int8))";
    let literal = postgres_protocol::escape::escape_literal(table);
    let relation = format!("{literal}::pg_catalog.regclass::pg_catalog.oid");
    // The guard has checked that the role is the owner, from whom no rows are hidden.
    let hidden = match guarded {
        true => "false".to_owned(),
        false => format!("pg_catalog.row_security_active({relation})"),
    };
    let own = format!("SELECT {sum}, {hidden} FROM {table}");
    if !repeatable {
        return format!("{}{own}", guard(&[literal]));
    }
    let state = postgres_protocol::escape::escape_identifier(state_schema);
    let repeatables = postgres_protocol::escape::escape_literal(&format!("{state}.repeatable"));
    let guard = guard(&[literal.clone(), repeatables]);
    format!(
        "{guard}{own} UNION ALL SELECT {sum}, false FROM {state}.repeatable WHERE current AND relation OPERATOR(pg_catalog.=) {relation}"
    )
}

/// SQL that fails, by reading a setting that does not exist, unless the tables, given as literals, exist, belong to the session's
/// role, and hide no rows from it. It returns no rows.
fn guard(tables: &[String]) -> String {
    let of = |table: &String| format!("{table}::pg_catalog.regclass::pg_catalog.oid");
    let oids: Vec<String> = tables.iter().map(of).collect();
    let which = match oids.as_slice() {
        [one] => format!("oid OPERATOR(pg_catalog.=) {one}"),
        all => format!("oid OPERATOR(pg_catalog.=) ANY (ARRAY[{}])", all.join(",")),
    };
    format!(
        "SELECT FROM pg_catalog.pg_class WHERE {which} AND CASE \
             WHEN pg_catalog.pg_get_userbyid(relowner) OPERATOR(pg_catalog.=) CURRENT_USER AND NOT relforcerowsecurity THEN false \
             ELSE pg_catalog.current_setting('refit.another_role_owns_the_history') IS NULL END;"
    )
}

/// One row, in the form of [`refit_model::HistoryDigest`].
fn digest(row: &SimpleQueryRow) -> String {
    row.get(0).unwrap_or("0").to_owned()
}
