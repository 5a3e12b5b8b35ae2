//! Reading the history: one SELECT of one value, which is all there is to do when there is nothing to do.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use refit_model::{HistoryDigest, MigrationSet, Version};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, SimpleQueryMessage, SimpleQueryRow};

use crate::checksum::narrow_checksum;
use crate::error::Error;
use crate::preflight::Preflight;

/// The table in which refinery keeps its history.
pub const HISTORY_TABLE: &str = "refinery_schema_history";

/// What has been applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Versioned migrations, ordered by version.
    pub versioned: Vec<HistoryRow>,
    /// Repeatable migrations with the checksum of their last run.
    pub repeatable: Vec<HistoryRow>,
    /// The versions whose backfill is registered and not complete.
    pub unfinished: Vec<Version>,
}

impl History {
    /// The history of a database on which the whole set is applied.
    pub(crate) fn of(set: &MigrationSet, environment: &str) -> History {
        let versioned = set.migrations().iter().filter(|migration| migration.directives.runs_in(environment));
        let repeatable =
            set.repeatables().iter().filter(|repeatable| repeatable.directives.runs_in(environment));
        let row = |version, name: &str, checksum| HistoryRow { version, name: name.to_owned(), checksum };
        History {
            versioned: versioned.map(|m| row(m.version, &m.name, m.checksum)).collect(),
            repeatable: repeatable.map(|r| row(0, &r.name, r.checksum)).collect(),
            unfinished: Vec::new(),
        }
    }
}

/// One migration that has been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// The version; 0 for a repeatable migration.
    pub version: Version,
    /// The name without version.
    pub name: String,
    /// refinery's checksum.
    pub checksum: u64,
}

/// What the history is compared with: the digest of what the build embedded, and the set when that is not enough.
pub(crate) struct Expected<'a> {
    pub(crate) digest: HistoryDigest,
    pub(crate) set: &'a (dyn Fn() -> Result<Arc<MigrationSet>, Error> + Sync),
}

/// What one look at the history tells.
#[derive(Debug)]
pub(crate) enum Glance {
    /// The history is the expected one, row for row.
    Same,
    /// It is something else.
    Different(History),
}

/// The history table as SQL names it, and whether repeatable migrations are looked at.
#[derive(Debug, Clone)]
pub(crate) struct HistoryQuery {
    /// Quoted, and qualified when the caller names a schema; else the search path finds it.
    pub(crate) table: String,
    pub(crate) repeatable: bool,
}

impl HistoryQuery {
    pub(crate) fn new(schema: Option<&str>, repeatable: bool) -> HistoryQuery {
        let table = match schema {
            Some(schema) => {
                format!("{}.{HISTORY_TABLE}", postgres_protocol::escape::escape_identifier(schema))
            }
            None => HISTORY_TABLE.to_owned(),
        };
        HistoryQuery { table, repeatable }
    }

    /// One round trip: all checksums in one value, to be compared with what the build embedded.
    ///
    /// A checksum covers version, name and text, so the same checksums are the same history, and checksums that the set
    /// knows tell which of its migrations are applied. Only what the set does not know is asked for row by row. A table
    /// that does not exist is an empty history.
    pub(crate) async fn glance(&self, client: &Client, expected: &Expected<'_>) -> Result<Glance, Error> {
        self.look(client, expected, 5).await
    }

    async fn look(&self, client: &Client, expected: &Expected<'_>, looks: u32) -> Result<Glance, Error> {
        let outcome = match client.simple_query(&self.checksums_sql()).await {
            Ok(messages) => {
                if let Some(found) = Checksums::read(&messages) {
                    if self.repeatable == expected.digest.repeatable.is_some() && found.are(&expected.digest)
                    {
                        return Ok(Glance::Same);
                    }
                    if let Some(history) = found.known_by((expected.set)()?.as_ref()) {
                        return Ok(Glance::Different(history));
                    }
                }
                client.query_typed(&self.rows_sql(), &[]).await
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(rows) => read(&rows),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
                self.what_exists(client, expected, looks - 1).await
            }
            Err(error) => Err(Error::database("reading the history")(error)),
        }
    }

    /// As little as a server can do: unsorted, in one row, by the simple protocol. Names are qualified so that the search
    /// path need not be looked through.
    fn checksums_sql(&self) -> String {
        let all = |table: &str| {
            format!("pg_catalog.count(*), pg_catalog.string_agg(checksum::text, ','::text) FROM {table}")
        };
        match self.repeatable {
            false => format!("SELECT {}", all(&self.table)),
            true => format!("SELECT {} UNION ALL SELECT {}", all(&self.table), all("refit.repeatable")),
        }
    }

    fn rows_sql(&self) -> String {
        let table = &self.table;
        if !self.repeatable {
            return format!(
                "SELECT version::int8, name, checksum, false AS repeatable FROM {table} ORDER BY version"
            );
        }
        format!(
            "SELECT version, name, checksum, repeatable \
             FROM (SELECT version::int8, name, checksum, false AS repeatable FROM {table} \
                   UNION ALL SELECT 0, name, checksum, true FROM refit.repeatable) AS rows \
             ORDER BY repeatable, version, name COLLATE \"C\""
        )
    }

    /// Off the fast path: one of the two tables does not exist yet, and the other one counts.
    async fn what_exists(
        &self,
        client: &Client,
        expected: &Expected<'_>,
        looks: u32,
    ) -> Result<Glance, Error> {
        let exists = "SELECT to_regclass($1) IS NOT NULL, to_regclass('refit.repeatable') IS NOT NULL";
        let rows = client
            .query_typed(exists, &[(&self.table, Type::TEXT)])
            .await
            .map_err(Error::database("looking for the history"))?;
        let row = rows.first().ok_or_else(|| Error::History("no answer".to_owned()))?;
        match (row.get(0), !self.repeatable || row.get(1)) {
            (false, _) => Ok(Glance::Different(History::default())),
            // Another run has made them just now; what it has recorded since is worth another look.
            (true, true) if looks > 0 => Box::pin(self.look(client, expected, looks)).await,
            (true, true) => Err(Error::History(
                "its tables exist and cannot be read: is it a view of something else?".to_owned(),
            )),
            (true, false) => {
                // Repeatable migrations are expected and none is recorded, so this is never "the same".
                let versioned = HistoryQuery { repeatable: false, ..self.clone() };
                Box::pin(versioned.look(client, expected, looks.max(1))).await
            }
        }
    }
}

/// Every checksum of the history, in no order.
struct Checksums {
    versioned: Vec<u64>,
    repeatable: Vec<u64>,
}

impl Checksums {
    /// Reads the answer; none when it holds anything but numbers, which the rows will tell better.
    fn read(messages: &[SimpleQueryMessage]) -> Option<Checksums> {
        let mut rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let versioned = numbers(rows.next()?)?;
        let repeatable = rows.next().map_or(Some(Vec::new()), numbers)?;
        Some(Checksums { versioned, repeatable })
    }

    fn are(&self, expected: &HistoryDigest) -> bool {
        HistoryDigest::of(&self.versioned) == expected.versioned
            && expected
                .repeatable
                .as_ref()
                .is_none_or(|digest| HistoryDigest::of(&self.repeatable) == *digest)
    }

    /// The history that they mean, when the set knows every one of them.
    fn known_by(&self, set: &MigrationSet) -> Option<History> {
        let by_checksum: HashMap<u64, HistoryRow> = set
            .migrations()
            .iter()
            .map(|m| HistoryRow { version: m.version, name: m.name.clone(), checksum: m.checksum })
            .map(|row| (row.checksum, row))
            .collect();
        // Those of a history with 32-bit versions are computed only where there is one that is not of 64 bits.
        let narrow = OnceCell::new();
        let by_narrow = |checksum: &u64| narrow.get_or_init(|| narrow_rows(set)).get(checksum).cloned();
        let known = |checksum: &u64| by_checksum.get(checksum).cloned().or_else(|| by_narrow(checksum));
        let versioned: Option<Vec<HistoryRow>> = self.versioned.iter().map(known).collect();
        let named = |checksum: &u64| set.repeatables().iter().find(|r| r.checksum == *checksum);
        let repeatable: Option<Vec<HistoryRow>> = self
            .repeatable
            .iter()
            .map(|checksum| {
                named(checksum).map(|r| HistoryRow { version: 0, name: r.name.clone(), checksum: *checksum })
            })
            .collect();
        let mut history = History { versioned: versioned?, repeatable: repeatable?, unfinished: Vec::new() };
        history.versioned.sort_by_key(|row| row.version);
        Some(history)
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

/// Makes room for versions of 64 bits in a history that keeps 32, when one of those to come does not fit.
pub(crate) async fn widen(
    client: &Client,
    facts: &Preflight,
    to_come: impl Iterator<Item = Version>,
) -> Result<(), Error> {
    if !facts.history_is_narrow || to_come.max().is_none_or(|newest| i32::try_from(newest).is_ok()) {
        return Ok(());
    }
    // Every boot reads the history, and would queue behind this one for as long as it waits for a reader.
    let sql = format!(
        "BEGIN;SET LOCAL lock_timeout = '5s';ALTER TABLE {} ALTER COLUMN version TYPE pg_catalog.int8;COMMIT",
        facts.history_table
    );
    let widened = client.batch_execute(&sql).await;
    if widened.is_err() {
        client.batch_execute("ROLLBACK").await.ok();
    }
    widened.map_err(Error::database("widening the versions of the history"))
}

/// The numbers of one row: as many as it counts, or none.
fn numbers(row: &SimpleQueryRow) -> Option<Vec<u64>> {
    let count: usize = row.get(0)?.parse().ok()?;
    let text = row.get(1).unwrap_or_default();
    let parts = text.split(',').filter(|part| !part.is_empty());
    let numbers: Vec<u64> = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() == count).then_some(numbers)
}

fn read(rows: &[Row]) -> Result<Glance, Error> {
    let mut history = History::default();
    for row in rows {
        let Some(version) = row.get::<_, Option<Version>>("version") else { continue };
        let name: String = row.get::<_, Option<String>>("name").unwrap_or_default();
        let checksum = row.get::<_, Option<String>>("checksum").unwrap_or_default();
        let checksum = checksum.parse().map_err(|_| {
            Error::History(format!(
                "version {version} ({name}) has the checksum {checksum:?}, which is no number; \
                 `cargo xtask adopt` takes over other tools' histories"
            ))
        })?;
        let row_read = HistoryRow { version, name, checksum };
        if row.get("repeatable") {
            history.repeatable.push(row_read)
        } else {
            history.versioned.push(row_read)
        }
    }
    Ok(Glance::Different(history))
}
