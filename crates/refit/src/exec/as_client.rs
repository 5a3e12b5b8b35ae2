//! Runs a text that a run rejects, as a client would: with the transactions that the text itself begins and ends.
//!
//! Only for rehearsals of SQL that is not a migration of Refit's. Nothing is recorded.

use refit_model::{Statement, StatementKind, split_statements};

use super::by_statement::must_be_alone;
use super::failure::{Attempt, Remains, alone};
use super::step::{Step, StepContext, send};
use crate::error::Error;
use crate::queries::Queries;
use crate::statement_observer::RunningStatement;

impl StepContext<'_> {
    /// Runs the text of a step, statement by statement.
    pub(crate) async fn as_client(&self, step: &Step<'_>) -> Result<(), Error> {
        self.begin_session(step, self.facts.discard).await?;
        let statements = split_statements(step.sql);
        let outcome = self.statements_as_client(step, &statements).await;
        self.clean_up(step.sql).await;
        outcome
    }

    async fn statements_as_client(&self, step: &Step<'_>, statements: &[Statement<'_>]) -> Result<(), Error> {
        let failed = |index: usize, attempt: Attempt| {
            attempt.into_error(step, 1, Remains::Statements { failed: index })
        };
        let mut open = step.transaction;
        if open {
            send(self.client, "BEGIN").await.map_err(|error| failed(0, alone(error)))?;
        }
        for (index, statement) in statements.iter().enumerate() {
            let running = |in_transaction| RunningStatement::new(index, statement, in_transaction);
            let sent = match &statement.kind {
                StatementKind::CopyThroughClient => {
                    let position = step.sql.position(statement.offset);
                    return Err(Error::CopyThroughClient { path: step.path.to_owned(), position });
                }
                StatementKind::TransactionControl => {
                    let first = statement.text.split_whitespace().next().unwrap_or_default();
                    let sent = self.observed(running(open)).await;
                    let chains = statement.text.to_ascii_uppercase().ends_with(" AND CHAIN");
                    open = chains || ["BEGIN", "START"].iter().any(|word| first.eq_ignore_ascii_case(word));
                    sent
                }
                _ if open => self.observed(running(true)).await,
                StatementKind::Plain | StatementKind::Routine => {
                    self.in_own_transaction(index, statement).await
                }
                _ => self.observed(running(false)).await,
            };
            sent.map_err(|error| failed(index, Attempt::of_statement(error, Some(statement.offset))))?;
        }
        if open {
            let end = if self.rolls_back { "ROLLBACK" } else { "COMMIT" };
            let sent = send(self.client, &format!("SET CONSTRAINTS ALL IMMEDIATE;{end}")).await;
            sent.map_err(|error| failed(statements.len(), alone(error)))?;
        }
        Ok(())
    }

    /// Runs a statement in a transaction of its own, or outside a transaction if it cannot run in one.
    async fn in_own_transaction(
        &self,
        index: usize,
        statement: &Statement<'_>,
    ) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute_boxed("BEGIN").await?;
        match self.observed(RunningStatement::new(index, statement, true)).await {
            Ok(()) => self.client.batch_execute_boxed("COMMIT").await,
            Err(error) if must_be_alone(&error) => {
                self.client.batch_execute_boxed("ROLLBACK").await?;
                self.observed(RunningStatement::new(index, statement, false)).await
            }
            Err(error) => Err(error),
        }
    }
}
