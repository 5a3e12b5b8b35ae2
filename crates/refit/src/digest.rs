//! The one SELECT of a boot with nothing to do: every checksum of the history in one value.

use std::cell::OnceCell;
use std::collections::HashMap;

use refit_model::{HistoryDigest, MigrationSet};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::checksum::narrow_checksum;
use crate::error::Error;
use crate::history::{Expected, HistoryRow};
use crate::migrator::Options;

pub(crate) enum Found {
    Same,
    Other(Option<Checksums>),
    /// The tables are another role's, or not there: nothing of them was read.
    Unknown,
}

/// Compares the checksums; with `trusted` although the tables are another role's.
pub(crate) async fn checksums(
    client: &Client,
    options: &Options,
    table: &str,
    expected: &Expected<'_>,
    trusted: bool,
) -> Result<Found, Error> {
    let repeatable = expected.digest.repeatable.is_some();
    match client.simple_query(&checksums_sql(table, options.state_schema(), repeatable, !trusted)).await {
        Ok(messages) => {
            let found = Checksums::read(&messages);
            if found.as_ref().is_some_and(|found| found.hidden) {
                return Err(Error::RowSecurity { table: table.to_owned() });
            }
            match found {
                Some(found) if found.are(&expected.digest) => Ok(Found::Same),
                found => Ok(Found::Other(found)),
            }
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
            Ok(Found::Other(None))
        }
        Err(error) => Err(Error::database("reading the history")(error)),
    }
}

/// As little as a server can do: unsorted, in one row, by the simple protocol. Before it, in the same message, a guard fails unless
/// the tables belong to this role: reading another role's view or policy would run its functions. It runs on sessions that are not pinned, so every
/// name and operator is qualified, but for the table that the caller's search path finds.
fn checksums_sql(table: &str, state_schema: &str, repeatable: bool, guarded: bool) -> String {
    let guard = |tables: &[String]| if guarded { guard(tables) } else { String::new() };
    let values =
        "pg_catalog.count(*), pg_catalog.string_agg(checksum::pg_catalog.text, ','::pg_catalog.text)";
    let literal = postgres_protocol::escape::escape_literal(table);
    let own = format!(
        "SELECT {values}, pg_catalog.row_security_active({literal}::pg_catalog.regclass::pg_catalog.oid) FROM {table}"
    );
    if !repeatable {
        return format!("{}{own}", guard(&[literal]));
    }
    let state = postgres_protocol::escape::escape_identifier(state_schema);
    let tables = ["repeatable", "history"]
        .map(|name| postgres_protocol::escape::escape_literal(&format!("{state}.{name}")));
    let [repeatables, histories] = tables;
    let guard = guard(&[literal.clone(), repeatables, histories]);
    format!(
        "{guard}{own} UNION ALL SELECT {values}, false FROM {state}.repeatable WHERE current AND history_id OPERATOR(pg_catalog.=) \
         (SELECT id FROM {state}.history WHERE retired_at IS NULL \
              AND relation OPERATOR(pg_catalog.=) {literal}::pg_catalog.regclass::pg_catalog.oid)"
    )
}

/// SQL that fails unless tables, as literals, exist and belong to the session's role: by reading a setting that does not exist.
fn guard(tables: &[String]) -> String {
    let oids: Vec<String> =
        tables.iter().map(|table| format!("pg_catalog.to_regclass({table})::pg_catalog.oid")).collect();
    format!(
        "SELECT CASE WHEN (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class \
             WHERE oid OPERATOR(pg_catalog.=) ANY (ARRAY[{}]) \
               AND pg_catalog.pg_get_userbyid(relowner) OPERATOR(pg_catalog.=) CURRENT_USER) \
             OPERATOR(pg_catalog.=) {}::pg_catalog.int8 \
         THEN NULL ELSE pg_catalog.current_setting('refit.another_role_owns_the_history') END;",
        oids.join(","),
        tables.len()
    )
}

/// Every checksum of the history, in no order.
pub(crate) struct Checksums {
    versioned: Vec<u64>,
    repeatable: Vec<u64>,
    /// Whether row security hides rows of the history.
    hidden: bool,
}

impl Checksums {
    /// Reads the answer; none when it holds anything but numbers, which the rows will tell better.
    fn read(messages: &[SimpleQueryMessage]) -> Option<Checksums> {
        let mut rows = messages.iter().filter_map(|message| match message {
            // The guard's has one column.
            SimpleQueryMessage::Row(row) if row.len() > 1 => Some(row),
            _ => None,
        });
        let first = rows.next()?;
        let hidden = first.get(2) == Some("t");
        let Some(versioned) = numbers(first) else {
            return hidden.then(|| Checksums { versioned: Vec::new(), repeatable: Vec::new(), hidden });
        };
        let repeatable = rows.next().map_or(Some(Vec::new()), numbers)?;
        Some(Checksums { versioned, repeatable, hidden })
    }

    fn are(&self, expected: &HistoryDigest) -> bool {
        HistoryDigest::of(&self.versioned) == expected.versioned
            && expected
                .repeatable
                .as_ref()
                .is_none_or(|digest| HistoryDigest::of(&self.repeatable) == *digest)
    }

    /// The versioned migrations that they mean, when the set knows every one of them.
    pub(crate) fn known_by(&self, set: &MigrationSet) -> Option<Vec<HistoryRow>> {
        let row = |migration: &refit_model::Migration, checksum| HistoryRow {
            version: migration.version,
            name: migration.name.clone(),
            checksum,
        };
        let by_checksum: HashMap<u64, &refit_model::Migration> =
            set.migrations().iter().map(|migration| (migration.checksum, migration)).collect();
        // Those of a history with 32-bit versions are computed only where there is one that is not of 64 bits.
        let narrow = OnceCell::new();
        let by_narrow = |checksum: &u64| narrow.get_or_init(|| narrow_rows(set)).get(checksum).cloned();
        let known = |checksum: &u64| {
            let wide = by_checksum.get(checksum).map(|migration| row(migration, *checksum));
            wide.or_else(|| by_narrow(checksum))
        };
        let mut rows: Vec<HistoryRow> = self.versioned.iter().map(known).collect::<Option<_>>()?;
        rows.sort_by_key(|row| row.version);
        Some(rows)
    }
}

/// The rows that a set has in a history with 32-bit versions, by checksum.
fn narrow_rows(set: &MigrationSet) -> HashMap<u64, HistoryRow> {
    let rows = set.migrations().iter().filter_map(|m| {
        let checksum = narrow_checksum(&m.name, m.version, &m.sql)?;
        Some((checksum, HistoryRow { version: m.version, name: m.name.clone(), checksum }))
    });
    rows.collect()
}

/// The numbers of one row: as many as it counts, or none.
fn numbers(row: &SimpleQueryRow) -> Option<Vec<u64>> {
    let count: usize = row.get(0)?.parse().ok()?;
    let text = row.get(1).unwrap_or_default();
    let parts = text.split(',').filter(|part| !part.is_empty());
    let numbers: Vec<u64> = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() == count).then_some(numbers)
}
