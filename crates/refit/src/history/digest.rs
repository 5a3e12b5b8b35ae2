//! The one SELECT of a boot with nothing to do: the history as a sum of hashes.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::Expected;
use crate::error::Error;
use crate::options::Options;

pub(crate) enum Found {
    Same,
    Other,
    /// The tables are another role's, or hide rows: nothing of them was read.
    Unknown,
}

/// Compares the digests; with `trusted` although the tables are another role's.
pub(crate) async fn digests(
    client: &Client,
    options: &Options,
    table: &str,
    expected: &Expected<'_>,
    trusted: bool,
) -> Result<Found, Error> {
    let repeatable = expected.digest.repeatable.is_some();
    match client.simple_query(&digests_sql(table, options.state_schema(), repeatable, !trusted)).await {
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
        // The guard has refused.
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_OBJECT) => Ok(Found::Unknown),
        // A table is not there, or the state is of an older release.
        Err(error)
            if error.code().is_some_and(|code| {
                [
                    SqlState::UNDEFINED_TABLE,
                    SqlState::UNDEFINED_COLUMN,
                    SqlState::INVALID_SCHEMA_NAME,
                    // The role may read the history, and not the state.
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

/// As little as a server can do, by the simple protocol. Before it, in the same message, a guard fails unless the tables belong to
/// this role: reading another role's view or policy would run its functions. It runs on sessions that are not pinned, so every name and
/// operator is qualified, but for the table that the caller's search path finds.
fn digests_sql(table: &str, state_schema: &str, repeatable: bool, guarded: bool) -> String {
    let guard = |tables: &[String]| if guarded { guard(tables) } else { String::new() };
    let sum = "pg_catalog.sum(pg_catalog.hashtextextended(checksum::pg_catalog.text COLLATE pg_catalog.\"C\", 0::pg_catalog.int8))";
    let literal = postgres_protocol::escape::escape_literal(table);
    let relation = format!("{literal}::pg_catalog.regclass::pg_catalog.oid");
    // The guard has seen to it that nothing is hidden from an owner.
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

/// SQL that fails unless tables, as literals, exist, belong to the session's role, and hide no rows from it: by reading a setting that does not exist. It gives
/// no rows.
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

/// One row, as [`refit_model::HistoryDigest`] has it.
fn digest(row: &SimpleQueryRow) -> String {
    row.get(0).unwrap_or("0").to_owned()
}
