//! Steps outside a transaction: one statement at a time, restartable at the statement that was interrupted.
//!
//! Invariant: `refit.step.statements_done` never counts a statement whose effect could be missing, and no statement whose effect
//! could exist is sent again, except those that are known to be repeatable. A statement that can run in a transaction is counted in
//! that transaction. The others are recorded before they are sent and counted afterwards: a restart compares what exists with what
//! is intended, or stops if it cannot determine that.

mod alone;
mod begun;
mod decide;
mod index;
mod leftovers;
mod look;
mod objects;
mod progress;

pub(crate) use decide::{decide, refusals, undecided};
pub(crate) use index::COMPARING;
pub(crate) use progress::checksum;

use std::time::Duration;

use refit_model::{Operation, Statement, StatementKind};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tracing::{info, warn};

use crate::error::Error;
use crate::exec::failure::{Attempt, Remains, alone};
use crate::exec::opening::Opening;
use crate::exec::step::{Step, StepContext, send};
use crate::pin::Caller;
use crate::queries::Queries;
use crate::report::CheckResult;
use alone::Failing;
use begun::Sent;
use progress::Progress;

/// The settings with which the server reads strings as the splitter does; a file may have reset them to those of the role.
pub(crate) const READ_STRINGS_AS_SPLIT: &str =
    "SET SESSION standard_conforming_strings = on;SET SESSION client_encoding = 'UTF8'";

/// The statement of a step that is running.
struct Current<'a> {
    step: &'a Step<'a>,
    /// All statements of the step; `index` is the current one.
    statements: &'a [Statement<'a>],
    index: usize,
    /// Its number among those that are counted, from 1.
    number: usize,
    /// The step's row.
    row: i64,
    /// SQL that counts it.
    count: String,
}

impl<'a> Current<'a> {
    fn statement(&self) -> &'a Statement<'a> {
        &self.statements[self.index]
    }
}

impl StepContext<'_> {
    /// Runs the statements that no earlier attempt has completed, then writes the step to the history.
    pub(crate) async fn by_statement(
        &self,
        step: &Step<'_>,
        record: &str,
        checks: &mut Vec<CheckResult>,
    ) -> Result<u32, Error> {
        let statements = refit_model::split_statements(step.sql);
        let row = self.row(step, 1);
        let progress = Progress::read(self.client, &row, step, &statements).await?;
        if progress.done > 0 || progress.interrupted {
            info!(step = step.stem, done = progress.done, "resuming a step that was interrupted");
        }
        let id = row.open(self.client, progress.done, &progress.checksum).await?;
        let outcome = self.remaining_statements(step, record, id, &statements, progress, checks).await;
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
        checks: &mut Vec<CheckResult>,
    ) -> Result<u32, Error> {
        self.begin_session(step, self.facts.discard).await?;
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
            if self.interrupt.is_triggered() {
                return Err(interrupted(step, index));
            }
            let current = Current {
                step,
                statements,
                index,
                number: counted,
                row: id,
                count: self.count(id, counted, &checksum),
            };
            let begun = progress.begun.as_ref().filter(|_| !session);
            attempts = attempts.max(self.statement(&current, Sent::of(counted, begun)).await?);
        }
        self.check_after(step, checks).await?;
        self.finish(step, id, attempts, record, statements.len()).await.map(|()| attempts)
    }

    /// Writes the step to the history.
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
             SET outcome = 'succeeded', finished_at = pg_catalog.clock_timestamp(), attempts = {attempts}{} WHERE id = {id} \
             RETURNING {};COMMIT",
            Opening::of_statement(step.stem, self.lock_timeout, self.facts).sql,
            self.facts.restore,
            self.facts.clear_after(step.sql),
            self.facts.state.quoted(),
            self.log.lock_waits().map_or(String::new(), |waits| {
                format!(", lock_waits = {}", postgres_protocol::escape::escape_literal(&waits))
            }),
            crate::lock::retake(self.facts),
        );
        let Err((error, completed)) = send(self.client, &finish).await else { return Ok(()) };
        self.clean_up("").await;
        let attempt = alone((error, completed));
        Err(attempt.into_error(step, attempts, Remains::Statements { failed: statements }))
    }

    /// Without a lock timeout unless the file sets one: these statements often wait for long, and most of their locks block no
    /// other session.
    pub(in crate::exec) async fn begin_session(&self, step: &Step<'_>, discard: &str) -> Result<(), Error> {
        let timeout = step.lock_timeout.unwrap_or(Duration::ZERO).as_millis();
        let name = postgres_protocol::escape::escape_literal(&crate::application_name::step(step.stem));
        let Caller { search_path, row_security, .. } = &self.facts.caller;
        let [search_path, row_security] =
            [search_path, row_security].map(|value| postgres_protocol::escape::escape_literal(value));
        let sql = format!(
            "{discard}SET lock_timeout = '{timeout}ms';SET application_name = {name};{READ_STRINGS_AS_SPLIT};\
             SELECT pg_catalog.set_config('row_security',{row_security},false),\
             pg_catalog.set_config('search_path',{search_path},false)"
        );
        self.client.batch_execute_boxed(&sql).await.map_err(Error::database("preparing the session"))
    }

    /// Stops if the text released the lock and another run holds it.
    async fn hold_lock(&self, step: &Step<'_>) -> Result<(), Error> {
        match crate::lock::is_held(self.client, self.facts.lock).await? {
            true => Ok(()),
            false => Err(Error::LockLost { step: step.stem.to_owned() }),
        }
    }

    async fn statement(&self, current: &Current<'_>, mut sent: Sent) -> Result<u32, Error> {
        let mut delays = self.delays();
        let mut attempts = 1;
        loop {
            let Err(failed) = self.attempt(current, &mut sent).await? else { return Ok(attempts) };
            if sent.partial {
                let step = begun::reference(current.step);
                let remains = Remains::Partial { failed: current.index, step };
                return Err(failed.into_error(current.step, attempts, remains));
            }
            if self.interrupt.is_triggered() {
                return Err(interrupted(current.step, current.index));
            }
            if self.pause_before_retry(current.step, &failed, attempts, &mut delays).await? {
                attempts += 1;
                self.log.attempt(false);
                self.restore_session(current).await?;
                continue;
            }
            let remains = Remains::Statements { failed: current.index };
            return Err(failed.into_error(current.step, attempts, remains));
        }
    }

    /// Tries once. The outer error is final; the inner one is the statement's.
    async fn attempt(&self, current: &Current<'_>, sent: &mut Sent) -> Result<Result<(), Attempt>, Error> {
        let statement = current.statement();
        if sent.complete {
            return Ok(self.count_alone(current).await);
        }
        let operation = match &statement.kind {
            StatementKind::Session => return Ok(self.session_statement(current).await),
            StatementKind::Plain => return self.in_transaction(current, sent).await,
            StatementKind::Routine if self.commits(current).await? => return self.once(current, sent).await,
            StatementKind::Routine => return self.in_transaction(current, sent).await,
            _ => statement.operation(),
        };
        if operation != Operation::Alter {
            self.hold_lock(current.step).await?;
        }
        match operation {
            Operation::CreateIndex(index) => self.concurrent_index(current, sent, &index).await,
            Operation::Reindex(target) => self.reindex(current, sent, &target).await,
            Operation::DetachPartition { table, partition } => {
                self.detach(current, sent, &table, &partition).await
            }
            Operation::Create(kind, name) => self.create_or_drop(current, sent, kind, &name, true).await,
            Operation::Drop(kind, name) => self.create_or_drop(current, sent, kind, &name, false).await,
            // Statements without an object to look for are repeatable: VACUUM, CLUSTER, REFRESH, ALTER SYSTEM, the forms of
            // ALTER that cannot run in a transaction.
            Operation::Alter => match self.counted_statement(current).await {
                Err(failed) if must_be_alone(&failed.error) => {
                    self.restore_session(current).await?;
                    self.repeatable(current, sent, Failing::HasNoEffect).await
                }
                outcome => Ok(outcome),
            },
            Operation::Other => self.repeatable(current, sent, Failing::HasNoEffect).await,
        }
    }

    /// Runs a statement in a transaction with its count; if it cannot run in a transaction, sends it alone, and once.
    async fn in_transaction(
        &self,
        current: &Current<'_>,
        sent: &mut Sent,
    ) -> Result<Result<(), Attempt>, Error> {
        match self.counted_statement(current).await {
            Err(failed) if must_be_alone(&failed.error) => {
                self.restore_session(current).await?;
                self.once(current, sent).await
            }
            outcome => Ok(outcome),
        }
    }

    /// Sets again what the statements before have set: a failure resets the session, and the next attempt needs their settings.
    async fn restore_session(&self, current: &Current<'_>) -> Result<(), Error> {
        self.begin_session(current.step, "").await?;
        for statement in &current.statements[..current.index] {
            if statement.kind == StatementKind::Session {
                let set = self.client.batch_execute_boxed(statement.text).await;
                set.map_err(Error::database("restoring the session for another attempt"))?;
            }
        }
        let read = self.client.batch_execute_boxed(READ_STRINGS_AS_SPLIT).await;
        read.map_err(Error::database("restoring the session for another attempt"))
    }

    /// Runs a statement that can run in a transaction, and counts it there.
    async fn counted_statement(&self, current: &Current<'_>) -> Result<(), Attempt> {
        let text = current.statement().text;
        let lock_timeout = current.step.lock_timeout.unwrap_or(self.lock_timeout);
        let opening = Opening::of_statement(current.step.stem, lock_timeout, self.facts);
        let retake = crate::lock::retake(self.facts);
        let closing = format!("SELECT {retake};{};COMMIT", current.count);
        let statement = current.statement();
        let sent = match self.statements {
            Some(_) => {
                let part = std::slice::from_ref(statement);
                self.in_parts(&opening, (current.index, part), &closing).await
            }
            None => self.as_one(&opening, statement, &closing).await,
        };
        let Err(failed) = sent else { return Ok(()) };
        let blockers = match crate::exec::step::is_lock_failure(&failed.error) {
            true => crate::exec::blockers::of(self.client, text, lock_timeout).await,
            false => Vec::new(),
        };
        self.clean_up("").await;
        Err(Attempt { blockers, ..failed })
    }

    /// Runs a statement that changes only the session. It is not counted, since every attempt repeats it.
    async fn session_statement(&self, current: &Current<'_>) -> Result<(), Attempt> {
        self.send_alone(current).await?;
        send(self.client, READ_STRINGS_AS_SPLIT).await.map_err(alone)
    }

    async fn count_alone(&self, current: &Current<'_>) -> Result<(), Attempt> {
        send(self.client, &format!("BEGIN;{};COMMIT", current.count)).await.map_err(alone)
    }

    /// SQL that records `done` statements, with the role that the session had before the text changed it.
    fn count(&self, id: i64, done: usize, checksum: &str) -> String {
        format!(
            "{}UPDATE {}.step SET statements_done = {done}, statements_checksum = '{checksum}', \
                 statement_begun = NULL, leftovers = NULL WHERE id = {id};{READ_STRINGS_AS_SPLIT}",
            self.facts.as_before,
            self.facts.state.quoted()
        )
    }

    /// Restores the session, whatever the text has changed, and records in the step's row why it ended.
    async fn close_failed(&self, id: i64, error: &Error) {
        self.clean_up("").await;
        let sql = "UPDATE refit.step SET outcome = 'failed', finished_at = pg_catalog.clock_timestamp(), attempts = $2, error = $3, \
                       lock_waits = $4::pg_catalog.jsonb, notices = $5::pg_catalog.jsonb WHERE id = $1";
        let sql = &*self.facts.state.sql(sql);
        let attempts = match error {
            Error::Statement(failed) => i32::try_from(failed.attempts).unwrap_or(i32::MAX),
            _ => 1,
        };
        let text = error.message();
        let details = self.log.take_details();
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 5] = [
            (&id, Type::INT8),
            (&attempts, Type::INT4),
            (&text, Type::TEXT),
            (&details.lock_waits, Type::TEXT),
            (&details.notices, Type::TEXT),
        ];
        if !self.client.is_closed()
            && let Err(error) = self.client.execute_boxed(sql, &parameters).await
        {
            warn!(error = %crate::error::describe(&error), "could not record the failed step");
        }
    }
}

/// The error of a run that was interrupted before the statement with this index.
fn interrupted(step: &Step<'_>, index: usize) -> Error {
    let remains = match index {
        0 => "none of its statements is applied; run again to continue".to_owned(),
        count => format!("its first {count} statements are applied; run again to continue"),
    };
    Error::Interrupted { at: Some(step.stem.to_owned()), remains }
}

/// Whether the server rejected the statement because it was in a transaction.
pub(super) fn must_be_alone(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        *code == SqlState::INVALID_TRANSACTION_TERMINATION || *code == SqlState::ACTIVE_SQL_TRANSACTION
    })
}

/// A name as SQL writes it: quoted parts, separated by dots.
fn path(parts: &[String]) -> String {
    let parts = parts.iter().map(|part| postgres_protocol::escape::escape_identifier(part));
    parts.collect::<Vec<_>>().join(".")
}
