//! What every source is read into, and which source a database has.

use refit::Connection;
use refit_model::{Migration, MigrationSet, Version};
use serde::Serialize;

use super::Tool;

/// A history that can be taken over.
#[derive(Debug, Serialize)]
pub(super) struct Takeover {
    /// The tool, as it calls itself.
    pub(super) tool: &'static str,
    /// Rows for refinery's history.
    pub(super) rows: Vec<Adopted>,
    /// Rows of the tool that cannot be taken over, and why.
    pub(super) unmatched: Vec<String>,
    /// Whether refinery's own table is rewritten instead of filled.
    pub(super) rewrite: bool,
}

/// One migration that counts as applied.
#[derive(Debug, Serialize)]
pub(super) struct Adopted {
    /// The version; `None` for a repeatable migration.
    pub(super) version: Option<Version>,
    pub(super) name: String,
    pub(super) stem: String,
    /// The checksum of our file.
    pub(super) checksum: u64,
    /// When the tool says that it was applied, RFC 3339.
    pub(super) applied_on: String,
    pub(super) proof: Proof,
}

/// How far the tool's row proves that our file is what was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Proof {
    /// The tool's checksum is that of our text.
    SameText,
    /// The tool keeps no checksum.
    NoChecksum,
    /// The tool's checksum is that of another text.
    Differs,
}

impl Takeover {
    pub(super) fn new(tool: &'static str) -> Takeover {
        Takeover { tool, rows: Vec::new(), unmatched: Vec::new(), rewrite: false }
    }

    /// Adds a versioned row when the set has its file, else says that it has none.
    pub(super) fn add(
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
}

/// SQL for a timestamp as refinery writes it.
pub(super) fn rfc3339(column: &str) -> String {
    format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
}

/// Finds out which tool a database has been migrated by.
pub(super) async fn detect(connection: &Connection) -> anyhow::Result<Tool> {
    let tables = [
        ("refinery_schema_history", Tool::Refinery),
        ("_sqlx_migrations", Tool::Sqlx),
        ("__diesel_schema_migrations", Tool::Diesel),
        ("flyway_schema_history", Tool::Flyway),
    ];
    let mut found = Vec::new();
    for (table, tool) in tables {
        let row = connection.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&table]).await?;
        if row.get(0) {
            found.push((table, tool));
        }
    }
    match found[..] {
        [(_, tool)] => Ok(tool),
        [] => anyhow::bail!(
            "no history of refinery, sqlx, diesel or Flyway is on the search path; \
             to begin with an existing schema, give --from baseline --version V…"
        ),
        _ => {
            let names: Vec<&str> = found.iter().map(|(table, _)| *table).collect();
            anyhow::bail!("the database has {}; say which one counts with --from", names.join(" and "))
        }
    }
}
