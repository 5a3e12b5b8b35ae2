//! Adoption: records in the history what another tool, or refinery without Refit, has applied. Nothing of the schema is changed.
//!
//! The caller determines which rows there are, and whether the files have the texts that were applied; see `cargo xtask adopt`.

use refit_model::Version;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Error;
use crate::migrator::Migrator;
use crate::preflight::Preflight;
use crate::queries::Queries;
use crate::repair::{end_change, one_row};

/// A migration that counts as applied from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdoptedMigration {
    /// Its version; `None` for a repeatable migration.
    pub version: Option<Version>,
    /// Its name, without version or `R__`.
    pub name: String,
    /// When it was applied, RFC 3339.
    pub applied_on: String,
    /// The checksum of its file.
    pub checksum: u64,
}

impl AdoptedMigration {
    /// A migration that was applied at `applied_on`, in RFC 3339; `version` is `None` for a repeatable one.
    pub fn new(
        version: Option<Version>,
        name: impl Into<String>,
        applied_on: impl Into<String>,
        checksum: u64,
    ) -> AdoptedMigration {
        AdoptedMigration { version, name: name.into(), applied_on: applied_on.into(), checksum }
    }
}

/// Which tool wrote the history that is adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdoptedHistory {
    /// refinery: its table is the history. Rows get the names and checksums of the files, and versions 64 bits.
    Refinery,
    /// Another tool, whose table is not changed, or none: rows are added to the history.
    Other,
}

impl Migrator {
    /// Records migrations as applied: all of them or none, under the migration lock.
    ///
    /// # Errors
    /// [`Error::Target`] when the history was changed by another session; and those of [`lock`](Migrator::lock).
    pub async fn adopt(
        &self,
        client: &Client,
        history: AdoptedHistory,
        migrations: &[AdoptedMigration],
    ) -> Result<(), Error> {
        let mut lock = self.lock(client).await?;
        let adopted = self.record_adopted(client, lock.facts_mut(), history, migrations).await;
        let adopted = crate::rights::explained(client, lock.facts_mut(), adopted).await;
        lock.release(client).await;
        adopted
    }

    async fn record_adopted(
        &self,
        client: &Client,
        facts: &mut Preflight,
        history: AdoptedHistory,
        migrations: &[AdoptedMigration],
    ) -> Result<(), Error> {
        let needs_state = migrations.iter().any(|migration| migration.version.is_none());
        self.begin_change(client, facts, needs_state).await?;
        let recorded = record_all(client, facts, history, migrations).await;
        end_change(client, recorded).await
    }
}

async fn record_all(
    client: &Client,
    facts: &Preflight,
    history: AdoptedHistory,
    migrations: &[AdoptedMigration],
) -> Result<(), Error> {
    if history == AdoptedHistory::Refinery {
        let sql = format!("ALTER TABLE {} ALTER COLUMN version TYPE pg_catalog.int8", facts.history_table);
        client.batch_execute_boxed(&sql).await.map_err(Error::database("changing the history"))?;
    }
    for migration in migrations {
        match migration.version {
            Some(version) if history == AdoptedHistory::Refinery => {
                rewrite(client, facts, migration, version).await?;
            }
            Some(version) => insert(client, facts, migration, version).await?,
            None => insert_repeatable(client, facts, migration).await?,
        }
    }
    Ok(())
}

/// Gives a row of refinery's the name and the checksum of its file.
async fn rewrite(
    client: &Client,
    facts: &Preflight,
    migration: &AdoptedMigration,
    version: Version,
) -> Result<(), Error> {
    let sql = format!("UPDATE {} SET checksum = $2, name = $3 WHERE version = $1", facts.history_table);
    let checksum = migration.checksum.to_string();
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&version, Type::INT8), (&checksum, Type::TEXT), (&migration.name, Type::TEXT)];
    one_row(client, &sql, &parameters).await
}

async fn insert(
    client: &Client,
    facts: &Preflight,
    migration: &AdoptedMigration,
    version: Version,
) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO {} (version, name, applied_on, checksum) VALUES ($1, $2, $3, $4)",
        facts.history_table
    );
    let checksum = migration.checksum.to_string();
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&version, Type::INT8),
        (&migration.name, Type::TEXT),
        (&migration.applied_on, Type::TEXT),
        (&checksum, Type::TEXT),
    ];
    one_row(client, &sql, &parameters).await
}

/// Repeatable migrations are recorded in the state.
async fn insert_repeatable(
    client: &Client,
    facts: &Preflight,
    migration: &AdoptedMigration,
) -> Result<(), Error> {
    let sql = "INSERT INTO refit.repeatable (history_id, relation, name, checksum, applied_at) \
               VALUES ($1, $5, $2, $3, $4::pg_catalog.timestamptz)";
    let checksum = migration.checksum.to_string();
    let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
        (&facts.state.history(), Type::INT8),
        (&migration.name, Type::TEXT),
        (&checksum, Type::TEXT),
        (&migration.applied_on, Type::TEXT),
        (&facts.relation, Type::OID),
    ];
    one_row(client, &facts.state.sql(sql), &parameters).await
}
