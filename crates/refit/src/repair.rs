//! Changes to the records of a history outside of migrations: accepting an edit, forgetting a removed file, taking over the records
//! of another tool. All are made or none, under the migration lock.

use refit_model::{Migration, Version};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::backfill::engine as backfill;
use crate::error::Error;
use crate::migrator::Migrator;
use crate::preflight::Preflight;

/// One change to the records of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryChange {
    /// The history takes the current text and name of a migration's file. A backfill that is not complete continues with the new
    /// statement.
    Accept {
        /// The migration.
        version: Version,
        /// Its current name.
        name: String,
        /// The checksum in the history.
        applied: u64,
        /// The checksum of the file.
        found: u64,
    },
    /// A migration is removed from the history; its effects stay.
    Forget {
        /// The migration.
        version: Version,
    },
    /// A migration that another tool applied.
    Insert {
        /// Its version.
        version: Version,
        /// Its name, without version.
        name: String,
        /// When, RFC 3339.
        applied_on: String,
        /// The checksum of its file.
        checksum: u64,
    },
    /// A repeatable migration that another tool applied.
    Repeatable {
        /// Its name, without `R__`.
        name: String,
        /// When, RFC 3339.
        applied_on: String,
        /// The checksum of its file.
        checksum: u64,
    },
    /// A row has another checksum or name for the same text, as refinery may have written it.
    Rewrite {
        /// Its version.
        version: Version,
        /// Its name, without version.
        name: String,
        /// The checksum of its file.
        checksum: u64,
    },
    /// The column `version` becomes `int8`.
    Widen,
    /// The rows of a backfill whose job is not recorded are done: migrations that wait for it may run.
    BackfillComplete {
        /// The migration.
        version: Version,
    },
    /// A backfill whose job is not recorded runs again.
    BackfillAgain {
        /// The migration.
        version: Version,
    },
    /// A statement that was sent outside a transaction, and whose outcome is unknown after an interruption or failure, is complete:
    /// the next run resumes after it.
    StatementDone {
        /// The step: `V12`, or the stem of a repeatable migration.
        step: String,
    },
    /// That statement is to be sent again.
    StatementAgain {
        /// The step.
        step: String,
    },
}

impl HistoryChange {
    /// Whether it changes Refit's state, not only refinery's table.
    fn needs_state(&self) -> bool {
        matches!(
            self,
            HistoryChange::Repeatable { .. }
                | HistoryChange::BackfillComplete { .. }
                | HistoryChange::BackfillAgain { .. }
                | HistoryChange::StatementDone { .. }
                | HistoryChange::StatementAgain { .. }
        )
    }
}

impl Migrator {
    /// Changes the records of the history; the schema is not changed. All changes are made or none, under the migration lock.
    ///
    /// # Errors
    /// [`Error::Target`] when the history has changed since it was read, or a change does not match it; and those of
    /// [`lock`](Migrator::lock).
    pub async fn change_history(&self, client: &Client, changes: &[HistoryChange]) -> Result<(), Error> {
        let mut lock = self.lock(client).await?;
        let changed = self.change(client, lock.facts_mut(), changes).await;
        let changed = crate::rights::explained(client, lock.facts_mut(), changed).await;
        lock.release(client).await;
        changed
    }

    async fn change(
        &self,
        client: &Client,
        facts: &mut Preflight,
        changes: &[HistoryChange],
    ) -> Result<(), Error> {
        facts.require_writable(&[], "to be recorded")?;
        let needs_state = changes.iter().any(HistoryChange::needs_state);
        let backfills = self.set()?.has_backfills();
        let outdated = backfills && crate::state::is_outdated(client, &facts.state).await?;
        if needs_state || outdated || facts.relation.is_none() {
            let backfills = backfills && (needs_state || outdated);
            crate::prepare::prepare(client, facts, backfills, &self.planner.options.interrupt).await?;
        }
        let failed = || Error::database("changing the history");
        client.batch_execute("BEGIN").await.map_err(failed())?;
        let made = async {
            for change in changes {
                self.make(client, facts, change).await?;
            }
            client.batch_execute("COMMIT").await.map_err(failed())
        };
        let made = made.await;
        if made.is_err() {
            client.batch_execute("ROLLBACK").await.ok();
        }
        made
    }

    async fn make(&self, client: &Client, facts: &Preflight, change: &HistoryChange) -> Result<(), Error> {
        let table = &facts.history_table;
        match change {
            HistoryChange::Accept { version, name, applied, found } => {
                // The condition on the old checksum protects rows that changed since they were read.
                let sql = format!(
                    "UPDATE {table} SET checksum = $3, name = $4 WHERE version = $1 AND checksum = $2"
                );
                let (applied, found) = (applied.to_string(), found.to_string());
                one(
                    client,
                    &sql,
                    &[
                        (version, Type::INT8),
                        (&applied, Type::TEXT),
                        (&found, Type::TEXT),
                        (name, Type::TEXT),
                    ],
                )
                .await?;
                match self.set()?.migration(*version) {
                    Some(migration) => backfill::accept_edit(client, &facts.state, migration).await,
                    None => Ok(()),
                }
            }
            HistoryChange::Forget { version } => {
                let sql = format!("DELETE FROM {table} WHERE version = $1");
                one(client, &sql, &[(version, Type::INT8)]).await
            }
            HistoryChange::Insert { version, name, applied_on, checksum } => {
                let sql = format!(
                    "INSERT INTO {table} (version, name, applied_on, checksum) VALUES ($1, $2, $3, $4)"
                );
                let checksum = checksum.to_string();
                one(
                    client,
                    &sql,
                    &[
                        (version, Type::INT8),
                        (name, Type::TEXT),
                        (applied_on, Type::TEXT),
                        (&checksum, Type::TEXT),
                    ],
                )
                .await
            }
            HistoryChange::Rewrite { version, name, checksum } => {
                let sql = format!("UPDATE {table} SET checksum = $2, name = $3 WHERE version = $1");
                let checksum = checksum.to_string();
                one(client, &sql, &[(version, Type::INT8), (&checksum, Type::TEXT), (name, Type::TEXT)]).await
            }
            HistoryChange::Widen => {
                let sql = format!("ALTER TABLE {table} ALTER COLUMN version TYPE pg_catalog.int8");
                client.batch_execute(&sql).await.map_err(Error::database("changing the history"))
            }
            _ => self.make_in_state(client, facts, change).await,
        }
    }

    /// Makes a change to Refit's state.
    async fn make_in_state(
        &self,
        client: &Client,
        facts: &Preflight,
        change: &HistoryChange,
    ) -> Result<(), Error> {
        match change {
            HistoryChange::Repeatable { name, applied_on, checksum } => {
                let sql = "INSERT INTO refit.repeatable (history_id, relation, name, checksum, applied_at) \
                           VALUES ($1, $5, $2, $3, $4::pg_catalog.timestamptz)";
                let checksum = checksum.to_string();
                one(
                    client,
                    &facts.state.sql(sql),
                    &[
                        (&facts.state.history(), Type::INT8),
                        (name, Type::TEXT),
                        (&checksum, Type::TEXT),
                        (applied_on, Type::TEXT),
                        (&facts.relation, Type::OID),
                    ],
                )
                .await
            }
            HistoryChange::BackfillComplete { version } => {
                backfill::record(
                    client,
                    (&facts.state, &facts.caller.search_path),
                    self.backfill_migration(*version)?,
                    true,
                )
                .await
            }
            HistoryChange::BackfillAgain { version } => {
                backfill::record(
                    client,
                    (&facts.state, &facts.caller.search_path),
                    self.backfill_migration(*version)?,
                    false,
                )
                .await
            }
            HistoryChange::StatementDone { step } => {
                crate::exec::by_statement::decide(client, &facts.state, self.set()?, step, true).await
            }
            HistoryChange::StatementAgain { step } => {
                crate::exec::by_statement::decide(client, &facts.state, self.set()?, step, false).await
            }
            HistoryChange::Accept { .. }
            | HistoryChange::Forget { .. }
            | HistoryChange::Insert { .. }
            | HistoryChange::Rewrite { .. }
            | HistoryChange::Widen => Ok(()),
        }
    }

    fn backfill_migration(&self, version: Version) -> Result<&Migration, Error> {
        let migration = self.set()?.migration(version);
        migration
            .filter(|migration| migration.directives.backfill.is_some())
            .ok_or_else(|| Error::Target(format!("version {version} is not a backfill")))
    }
}

/// Changes exactly one row.
async fn one(client: &Client, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<(), Error> {
    match client.execute_typed(sql, parameters).await.map_err(Error::database("changing the history"))? {
        1 => Ok(()),
        _ => Err(Error::Target(
            "the history has changed since it was read, and no record was changed; run again".to_owned(),
        )),
    }
}
