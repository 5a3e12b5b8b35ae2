//! Steps outside a transaction: one statement at a time, restartable at the statement that was interrupted.
//!
//! Invariant: `refit.step.statements_done` never counts a statement whose effect could be missing. A statement that can
//! run in a transaction is counted in the same transaction; for the others the count follows, and a restart finds either
//! nothing, an invalid index (dropped), or the finished effect (recognised by the error that it exists already).

mod leftovers;
mod progress;

use std::time::Duration;

use refit_model::{Statement, StatementKind};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tracing::{info, warn};

use crate::error::Error;
use crate::failure::{Attempt, Remains};
use crate::pin::Caller;
use crate::step::{Extent, Opening, Stage, Step, send};
use progress::Progress;

/// One statement of a step on its way.
struct Current<'a> {
    step: &'a Step<'a>,
    /// All statements of the step, and which of them is meant.
    statements: &'a [Statement<'a>],
    index: usize,
    /// Whether an earlier attempt may have been interrupted in the middle of it.
    interrupted: bool,
    /// SQL that counts it.
    count: String,
}

impl<'a> Current<'a> {
    fn statement(&self) -> &'a Statement<'a> {
        &self.statements[self.index]
    }
}

impl Stage<'_> {
    /// Runs the statements that an earlier attempt has not completed, then enters the step in the history.
    pub(crate) async fn by_statement(&self, step: &Step<'_>, record: &str) -> Result<u32, Error> {
        let statements = refit_model::split_statements(step.sql);
        let row = self.row(step, 1);
        let progress = match row.earlier(self.client).await? {
            Some(earlier) => Progress::resume(step, &statements, &earlier)?,
            None => Progress::default(),
        };
        if progress.done > 0 || progress.interrupted {
            info!(step = step.stem, done = progress.done, "going on with a step that was interrupted");
        }
        let id = row.open(self.client, progress.done, &progress.checksum).await?;
        let outcome = self.remaining_statements(step, record, id, &statements, progress).await;
        if let Err(error) = &outcome {
            self.close_failed(id, error).await;
        }
        outcome
    }

    async fn remaining_statements(
        &self,
        step: &Step<'_>,
        record: &str,
        id: i64,
        statements: &[Statement<'_>],
        progress: Progress,
    ) -> Result<u32, Error> {
        self.begin_session(step, &self.facts.discard).await?;
        let mut attempts = 1;
        let (mut counted, mut checksum) = (0, progress.checksum);
        for (index, statement) in statements.iter().enumerate() {
            let session = statement.kind == StatementKind::Session;
            if !session {
                counted += 1;
                if counted <= progress.done {
                    continue;
                }
                checksum = progress::checksum(&checksum, statement);
            }
            let current = Current {
                step,
                statements,
                index,
                // The one that was running when the earlier attempt ended may find its own effect.
                interrupted: progress.interrupted && counted == progress.done + 1,
                count: self.count(id, counted, &checksum),
            };
            attempts = attempts.max(self.statement(&current).await?);
        }
        self.finish(step, id, attempts, record, statements.len()).await.map(|()| attempts)
    }

    /// Enters the step in the history.
    async fn finish(
        &self,
        step: &Step<'_>,
        id: i64,
        attempts: u32,
        record: &str,
        statements: usize,
    ) -> Result<(), Error> {
        self.hold_lock(step).await?;
        let finish = format!(
            "{}SET SESSION AUTHORIZATION DEFAULT;RESET ALL;{}{}WITH record AS ({record}) UPDATE {}.step \
             SET outcome = 'succeeded', finished_at = pg_catalog.clock_timestamp(), attempts = {attempts} WHERE id = {id} \
             RETURNING {};COMMIT",
            Opening::of_statement(step.stem, self.lock_timeout, self.facts).sql,
            self.facts.restore,
            self.facts.deallocate_after(step.sql),
            self.facts.state.quoted(),
            crate::lock::retake(self.facts),
        );
        let Err((error, completed)) = send(self.client, &finish).await else { return Ok(()) };
        self.clean_up().await;
        let attempt = Attempt { error, completed, opening: Extent::default(), blockers: Vec::new() };
        Err(attempt.into_error(step, attempts, Remains::Statements { failed: statements, offset: 0 }))
    }

    /// Long waits are in the nature of these statements, and most of their locks stop nobody: no limit unless named.
    async fn begin_session(&self, step: &Step<'_>, discard: &str) -> Result<(), Error> {
        let timeout = step.lock_timeout.unwrap_or(Duration::ZERO).as_millis();
        let name = postgres_protocol::escape::escape_literal(&format!("refit {}", step.stem));
        let Caller { search_path, row_security, .. } = &self.facts.caller;
        let [search_path, row_security] =
            [search_path, row_security].map(|value| postgres_protocol::escape::escape_literal(value));
        let sql = format!(
            "{discard}SET lock_timeout = '{timeout}ms';SET application_name = {name};\
             SELECT pg_catalog.set_config('row_security',{row_security},false),\
             pg_catalog.set_config('search_path',{search_path},false)"
        );
        self.client.batch_execute(&sql).await.map_err(Error::database("preparing the session"))
    }

    /// Stops when the text gave the lock away and another run has it.
    async fn hold_lock(&self, step: &Step<'_>) -> Result<(), Error> {
        match crate::lock::is_held(self.client, self.facts.lock_key).await? {
            true => Ok(()),
            false => Err(Error::LockLost { step: step.stem.to_owned() }),
        }
    }

    async fn statement(&self, current: &Current<'_>) -> Result<u32, Error> {
        let statement = current.statement();
        let mut delays = self.delays();
        let mut attempts = 1;
        loop {
            let outcome = match &statement.kind {
                StatementKind::Plain | StatementKind::Routine => {
                    match self.counted_statement(current).await {
                        // It commits by itself, or knows better than we do that it needs to be alone.
                        Err(failed) if must_be_alone(&failed.error) => {
                            self.put_session_back(current).await?;
                            self.free_statement(current).await
                        }
                        outcome => outcome,
                    }
                }
                StatementKind::CreateIndexConcurrently { index: Some(index), table } => {
                    self.hold_lock(current.step).await?;
                    self.concurrent_index(current, index, table).await?
                }
                StatementKind::Session => self.free_statement(current).await,
                _ => {
                    self.hold_lock(current.step).await?;
                    self.clear_leftovers(current).await?;
                    self.free_statement(current).await
                }
            };
            let Err(failed) = outcome else { return Ok(attempts) };
            if self.pause_before_retry(current.step, &failed, attempts, &mut delays).await? {
                attempts += 1;
                self.put_session_back(current).await?;
                continue;
            }
            let remains = Remains::Statements { failed: current.index, offset: statement.offset };
            return Err(failed.into_error(current.step, attempts, remains));
        }
    }

    /// A failure resets the session; what the statements before have set counts for the next attempt as well.
    async fn put_session_back(&self, current: &Current<'_>) -> Result<(), Error> {
        self.begin_session(current.step, "").await?;
        for statement in &current.statements[..current.index] {
            if statement.kind == StatementKind::Session {
                let set = self.client.batch_execute(statement.text).await;
                set.map_err(Error::database("putting the session back for another attempt"))?;
            }
        }
        Ok(())
    }

    /// A statement that can run in a transaction: counted with its effect.
    async fn counted_statement(&self, current: &Current<'_>) -> Result<(), Attempt> {
        let text = current.statement().text;
        let lock_timeout = current.step.lock_timeout.unwrap_or(self.lock_timeout);
        let opening = Opening::of_statement(current.step.stem, lock_timeout, self.facts);
        let retake = crate::lock::retake(self.facts);
        let message = format!("{}{text}\n;SELECT {retake};{};COMMIT", opening.sql, current.count);
        let Err((error, completed)) = send(self.client, &message).await else { return Ok(()) };
        let blockers = match crate::step::is_lock_trouble(&error) {
            true => crate::blockers::of(self.client, text, lock_timeout).await,
            false => Vec::new(),
        };
        self.clean_up().await;
        Err(Attempt { error, completed, opening: opening.extent(), blockers })
    }

    /// A statement that cannot: run by itself, counted afterwards.
    async fn free_statement(&self, current: &Current<'_>) -> Result<(), Attempt> {
        self.run_alone(current).await?;
        match current.statement().kind {
            StatementKind::Session => Ok(()),
            _ => self.count_alone(current).await,
        }
    }

    async fn run_alone(&self, current: &Current<'_>) -> Result<(), Attempt> {
        let text = current.statement().text;
        match send(self.client, text).await {
            Ok(()) => Ok(()),
            Err((error, _)) if current.interrupted && found_its_effect(&error, text) => {
                let reason = crate::error::describe(&error);
                warn!(statement = current.index + 1, reason, "it was complete already");
                Ok(())
            }
            Err(failed) => Err(alone(failed)),
        }
    }

    async fn count_alone(&self, current: &Current<'_>) -> Result<(), Attempt> {
        send(self.client, &format!("BEGIN;{};COMMIT", current.count)).await.map_err(alone)
    }

    /// SQL that counts `done` statements, as the role that the session had before the text changed it.
    fn count(&self, id: i64, done: usize, checksum: &str) -> String {
        format!(
            "{}UPDATE {}.step SET statements_done = {done}, statements_checksum = '{checksum}' WHERE id = {id}",
            self.facts.as_before,
            self.facts.state.quoted()
        )
    }

    /// Puts the session right, whatever the text has made of it, and says in the step's row why it ended.
    async fn close_failed(&self, id: i64, error: &Error) {
        self.clean_up().await;
        let sql = "UPDATE refit.step SET outcome = 'failed', finished_at = pg_catalog.clock_timestamp(), attempts = $2, error = $3 \
                   WHERE id = $1";
        let sql = &*self.facts.state.sql(sql);
        let attempts = match error {
            Error::Statement(failed) => i32::try_from(failed.attempts).unwrap_or(i32::MAX),
            _ => 1,
        };
        let text = error.to_string();
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&id, Type::INT8), (&attempts, Type::INT4), (&text, Type::TEXT)];
        if !self.client.is_closed()
            && let Err(error) = self.client.execute_typed(sql, &parameters).await
        {
            warn!(error = %crate::error::describe(&error), "could not record the failed step");
        }
    }
}

/// The failure of a message that was the statement and nothing else.
fn alone((error, completed): (tokio_postgres::Error, usize)) -> Attempt {
    Attempt { error, completed, opening: Extent::default(), blockers: Vec::new() }
}

/// Whether the statement was refused for the transaction around it.
fn must_be_alone(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        *code == SqlState::INVALID_TRANSACTION_TERMINATION || *code == SqlState::ACTIVE_SQL_TRANSACTION
    })
}

/// Whether the error says that the statement's effect is there: what it creates exists, what it drops does not.
fn found_its_effect(error: &tokio_postgres::Error, statement: &str) -> bool {
    let first = statement.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let Some(code) = error.code() else { return false };
    match first.as_str() {
        "CREATE" => {
            *code == SqlState::DUPLICATE_TABLE
                || *code == SqlState::DUPLICATE_OBJECT
                || *code == SqlState::DUPLICATE_DATABASE
        }
        "DROP" => {
            *code == SqlState::UNDEFINED_OBJECT
                || *code == SqlState::UNDEFINED_TABLE
                || *code == SqlState::INVALID_CATALOG_NAME
        }
        "ALTER" => *code == SqlState::UNDEFINED_TABLE || *code == SqlState::DUPLICATE_OBJECT,
        _ => false,
    }
}
