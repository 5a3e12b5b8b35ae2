//! Reading the history: one SELECT that is empty-handed when there is nothing to do.

use refit_model::{HistoryDigest, MigrationSet, Version};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::error::Error;

/// The table in which refinery keeps its history.
pub const HISTORY_TABLE: &str = "refinery_schema_history";

/// What has been applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Versioned migrations, ordered by version.
    pub versioned: Vec<HistoryRow>,
    /// Repeatable migrations with the checksum of their last run.
    pub repeatable: Vec<HistoryRow>,
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

    /// One round trip: compares digests on the server, and sends rows only when they differ.
    ///
    /// A checksum covers version, name and text, so equal checksums in version order are an equal history. A table
    /// that does not exist is an empty history.
    pub(crate) async fn glance(&self, client: &Client, expected: &HistoryDigest) -> Result<Glance, Error> {
        self.look(client, expected, 5).await
    }

    async fn look(&self, client: &Client, expected: &HistoryDigest, looks: u32) -> Result<Glance, Error> {
        let repeatable = expected.repeatable.as_deref().unwrap_or("");
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&expected.versioned, Type::TEXT)];
        if self.repeatable {
            parameters.push((&repeatable, Type::TEXT));
        }
        match client.query_typed(&self.sql(), &parameters).await {
            Ok(rows) => read(&rows),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
                self.what_exists(client, expected, looks - 1).await
            }
            Err(error) => Err(Error::database("reading the history")(error)),
        }
    }

    fn sql(&self) -> String {
        let digest = |table: &str, order: &str| {
            format!(
                "SELECT encode(sha256(convert_to(coalesce(string_agg(checksum, ','), ''), 'UTF8')), 'hex') \
                 FROM (SELECT checksum FROM {table} ORDER BY {order}) AS ordered"
            )
        };
        let table = &self.table;
        let versioned = digest(table, "version");
        if !self.repeatable {
            return format!(
                "SELECT same, version::int8, name, checksum, false AS repeatable \
                 FROM (SELECT ({versioned}) = $1 AS same OFFSET 0) AS compared LEFT JOIN {table} ON NOT same \
                 ORDER BY version"
            );
        }
        let repeatable = digest("refit.repeatable", "name COLLATE \"C\"");
        format!(
            "SELECT same, version, name, checksum, repeatable \
             FROM (SELECT ({versioned}) = $1 AND ({repeatable}) = $2 AS same OFFSET 0) AS compared \
             LEFT JOIN (SELECT version::int8, name, checksum, false AS repeatable FROM {table} \
                        UNION ALL SELECT 0, name, checksum, true FROM refit.repeatable) AS rows ON NOT same \
             ORDER BY repeatable, version, name COLLATE \"C\""
        )
    }

    /// Off the fast path: one of the two tables does not exist yet, and the other one counts.
    async fn what_exists(
        &self,
        client: &Client,
        expected: &HistoryDigest,
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
                let versioned = HistoryQuery { repeatable: false, ..self.clone() };
                // Repeatable migrations are expected and none is recorded, so this is never "the same".
                let expected = HistoryDigest { versioned: String::new(), ..expected.clone() };
                Box::pin(versioned.look(client, &expected, looks.max(1))).await
            }
        }
    }
}

fn read(rows: &[Row]) -> Result<Glance, Error> {
    let mut history = History::default();
    for row in rows {
        if row.get::<_, bool>("same") {
            return Ok(Glance::Same);
        }
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
