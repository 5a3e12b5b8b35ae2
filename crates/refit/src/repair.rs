//! Repair: changes to the records of a history that no migration makes, such as accepting an edited file or forgetting a deleted
//! one. All of them or none, under the migration lock.

use refit_model::{Migration, Version};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::backfill::engine as backfill;
use crate::error::Error;
use crate::migrator::Migrator;
use crate::preflight::Preflight;
use crate::queries::Queries;
use crate::state::Component;

/// One change to the records of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryChange {
    /// Accepts the text and the name that a migration's file has now. A backfill that is not complete continues with the new
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
    /// Removes a migration from the history; its changes remain.
    Forget {
        /// The migration.
        version: Version,
    },
    /// Marks a backfill without a recorded job as complete: steps that wait for it may run.
    BackfillComplete {
        /// The migration.
        version: Version,
    },
    /// Registers a backfill without a recorded job again.
    BackfillAgain {
        /// The migration.
        version: Version,
    },
    /// Marks the statement outside a transaction that an interruption or failure left incomplete as complete: the next run resumes
    /// after it.
    StatementDone {
        /// The step: `V12`, or the stem of a repeatable migration.
        step: String,
    },
    /// Allows that statement to run again.
    StatementAgain {
        /// The step.
        step: String,
    },
}

impl HistoryChange {
    /// Whether it is recorded in the state, not in refinery's table alone.
    fn needs_state(&self) -> bool {
        matches!(
            self,
            HistoryChange::BackfillComplete { .. }
                | HistoryChange::BackfillAgain { .. }
                | HistoryChange::StatementDone { .. }
                | HistoryChange::StatementAgain { .. }
        )
    }
}

impl Migrator {
    /// Changes what the history records: all changes or none, under the migration lock. The schema stays as it is.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// use refit::HistoryChange;
    ///
    /// migrator.change_history(client, &[HistoryChange::Forget { version: 13 }]).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Target`] when the history was changed by another session, or a change does not fit it; and those of
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
        self.begin_change(client, facts, changes.iter().any(HistoryChange::needs_state)).await?;
        let made = self.make_all(client, facts, changes).await;
        end_change(client, made).await
    }

    /// Prepares the history, and the state if it is needed, and begins the transaction that changes them.
    pub(crate) async fn begin_change(
        &self,
        client: &Client,
        facts: &mut Preflight,
        needs_state: bool,
    ) -> Result<(), Error> {
        facts.require_writable(&[], "to be recorded")?;
        let backfills = self.set()?.has_backfills();
        let outdated = backfills && crate::state::is_outdated(client, &facts.state).await?;
        if needs_state || outdated || facts.relation.is_none() {
            let needed = match needs_state || outdated {
                true => Component::of(self.set()?),
                false => vec![Component::Runs],
            };
            crate::prepare::prepare(client, facts, &needed, &self.planner.options.interrupt).await?;
        }
        client.batch_execute_boxed("BEGIN").await.map_err(Error::database("changing the history"))
    }

    async fn make_all(
        &self,
        client: &Client,
        facts: &Preflight,
        changes: &[HistoryChange],
    ) -> Result<(), Error> {
        for change in changes {
            self.make(client, facts, change).await?;
        }
        Ok(())
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
                one_row(
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
                one_row(client, &sql, &[(version, Type::INT8)]).await
            }
            _ => self.make_in_state(client, facts, change).await,
        }
    }

    /// Makes a change that is recorded in the state.
    async fn make_in_state(
        &self,
        client: &Client,
        facts: &Preflight,
        change: &HistoryChange,
    ) -> Result<(), Error> {
        match change {
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
            HistoryChange::Accept { .. } | HistoryChange::Forget { .. } => Ok(()),
        }
    }

    fn backfill_migration(&self, version: Version) -> Result<&Migration, Error> {
        let migration = self.set()?.migration(version);
        migration
            .filter(|migration| migration.directives.backfill.is_some())
            .ok_or_else(|| Error::Target(format!("version {version} is not a backfill")))
    }
}

/// Commits the changes if all were made.
pub(crate) async fn end_change(client: &Client, made: Result<(), Error>) -> Result<(), Error> {
    let ended = match made {
        Ok(()) => client.batch_execute_boxed("COMMIT").await.map_err(Error::database("changing the history")),
        error => error,
    };
    if ended.is_err() {
        client.batch_execute_boxed("ROLLBACK").await.ok();
    }
    ended
}

/// Changes exactly one row.
pub(crate) async fn one_row(
    client: &Client,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<(), Error> {
    match client.execute_boxed(sql, parameters).await.map_err(Error::database("changing the history"))? {
        1 => Ok(()),
        _ => Err(Error::Target(
            "the history has changed since it was read, and no record was changed; run again".to_owned(),
        )),
    }
}
