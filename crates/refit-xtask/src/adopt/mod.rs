//! Histories of other tools: each has a file, which reads it; this one has their common form, and detects the tool.

mod baseline;
mod diesel;
mod flyway;
mod refinery;
mod sqlx;

use anyhow::Context as _;
use postgres_protocol::escape::escape_identifier;
use refit::{AdoptedHistory, AdoptedMigration, Connection, HISTORY_TABLE};
use refit_model::{Migration, MigrationSet, Version};
use serde::Serialize;
use tokio_postgres::types::Type;

/// The tool that wrote a history, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Tool {
    Refinery,
    Sqlx,
    Diesel,
    Flyway,
    Baseline,
}

/// Reads a history on a pinned session. `version` is the last one that counts as applied, for a baseline.
///
/// # Errors
/// When the table is missing, or has rows that cannot be read or belong to a failed migration.
pub(crate) async fn read(
    tool: Tool,
    connection: &Connection,
    tables: &Tables,
    set: &MigrationSet,
    version: Option<Version>,
) -> anyhow::Result<Takeover> {
    match tool {
        Tool::Refinery => refinery::read(connection, tables, set).await,
        Tool::Sqlx => sqlx::read(connection, tables, set).await,
        Tool::Diesel => diesel::read(connection, tables, set).await,
        Tool::Flyway => flyway::read(connection, tables, set).await,
        Tool::Baseline => baseline::read(connection, tables, set, version.unwrap_or(Version::MIN)).await,
    }
}

/// A history to adopt.
#[derive(Debug, Serialize)]
pub(crate) struct Takeover {
    /// The name of the tool.
    pub(crate) tool: &'static str,
    /// Rows for refinery's history.
    pub(crate) rows: Vec<Adopted>,
    /// Rows of the tool that cannot be adopted, and why.
    pub(crate) unmatched: Vec<String>,
    /// Whether refinery's existing table is updated in place.
    pub(crate) rewrite: bool,
}

/// One migration that counts as applied.
#[derive(Debug, Serialize)]
pub(crate) struct Adopted {
    /// The version; `None` for a repeatable migration.
    pub(crate) version: Option<Version>,
    pub(crate) name: String,
    pub(crate) stem: String,
    /// The checksum of the file.
    pub(crate) checksum: u64,
    /// When it was applied according to the tool, RFC 3339.
    pub(crate) applied_on: String,
    pub(crate) proof: Proof,
}

/// Whether the tool's checksum proves that the file's text was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Proof {
    /// The tool's checksum matches the file.
    SameText,
    /// The tool stores no checksum.
    NoChecksum,
    /// The tool's checksum does not match the file.
    Differs,
}

impl Takeover {
    pub(crate) fn new(tool: &'static str) -> Takeover {
        Takeover { tool, rows: Vec::new(), unmatched: Vec::new(), rewrite: false }
    }

    /// Adds a versioned row if the set has its file, else an unmatched row.
    pub(crate) fn add(
        &mut self,
        set: &MigrationSet,
        version: Version,
        described: &str,
        applied_on: String,
        proof: impl FnOnce(&Migration) -> Proof,
    ) {
        match set.migration(version) {
            Some(migration) => self.rows.push(Adopted {
                version: Some(version),
                name: migration.name.clone(),
                stem: migration.stem.clone(),
                checksum: migration.checksum,
                applied_on,
                proof: proof(migration),
            }),
            None => {
                self.unmatched.push(format!("version {version} ({described}) has no file V{version}__….sql"))
            }
        }
    }

    pub(crate) fn history(&self) -> AdoptedHistory {
        if self.rewrite { AdoptedHistory::Refinery } else { AdoptedHistory::Other }
    }

    /// The rows, as the history records them.
    pub(crate) fn migrations(&self) -> Vec<AdoptedMigration> {
        let migration =
            |row: &Adopted| AdoptedMigration::new(row.version, &*row.name, &*row.applied_on, row.checksum);
        self.rows.iter().map(migration).collect()
    }
}

/// An SQL expression for a timestamp in refinery's format.
pub(crate) fn rfc3339(column: &str) -> String {
    format!("pg_catalog.to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
}

/// The history tables of the tools, as found by the session's search path.
pub(crate) struct Tables(Vec<(&'static str, Tool, Option<u32>)>);

impl Tables {
    /// Searches for the tables. `history_schema` is the schema of refinery's table, if configured.
    pub(crate) async fn find(
        connection: &Connection,
        history_schema: Option<&str>,
    ) -> anyhow::Result<Tables> {
        let tables = [
            (HISTORY_TABLE, Tool::Refinery),
            ("_sqlx_migrations", Tool::Sqlx),
            ("__diesel_schema_migrations", Tool::Diesel),
            ("flyway_schema_history", Tool::Flyway),
        ];
        let mut found = Vec::new();
        for (table, tool) in tables {
            let name = match history_schema.filter(|_| tool == Tool::Refinery) {
                Some(schema) => format!("{}.{table}", escape_identifier(schema)),
                None => table.to_owned(),
            };
            let sql = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
            let row = connection.query_typed_one(sql, &[(&name, Type::TEXT)]).await?;
            found.push((table, tool, row.get(0)));
        }
        Ok(Tables(found))
    }

    /// The tool whose history the database has.
    pub(crate) fn tool(&self) -> anyhow::Result<Tool> {
        let found: Vec<_> = self.0.iter().filter(|(_, _, oid)| oid.is_some()).collect();
        match found[..] {
            [(_, tool, _)] => Ok(*tool),
            [] => anyhow::bail!(
                "no history of refinery, sqlx, diesel or Flyway is on the search path; \
                 to start with an existing schema, give --from baseline --version V…"
            ),
            _ => {
                let names: Vec<&str> = found.iter().map(|(table, ..)| *table).collect();
                anyhow::bail!("the database has {}; choose one with --from", names.join(" and "))
            }
        }
    }

    /// A tool's table, qualified and quoted. The session's search path must be pinned.
    pub(crate) async fn of(&self, connection: &Connection, tool: Tool) -> anyhow::Result<Option<String>> {
        let Some((_, _, oid)) = self.0.iter().find(|(_, of, _)| *of == tool) else { return Ok(None) };
        let sql = "SELECT pg_catalog.format('%I.%I', nspname, relname) FROM pg_catalog.pg_class AS c \
                   JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace WHERE c.oid = $1";
        refit::refuse_untrusted(connection, *oid).await?;
        let rows = connection.query_typed(sql, &[(oid, Type::OID)]).await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// Like [`Tables::of`], but the table must exist.
    pub(crate) async fn existing(&self, connection: &Connection, tool: Tool) -> anyhow::Result<String> {
        let name = self.0.iter().find(|(_, of, _)| *of == tool).map_or("", |(name, ..)| name);
        self.of(connection, tool)
            .await?
            .with_context(|| format!("there is no table {name} on the search path"))
    }
}
