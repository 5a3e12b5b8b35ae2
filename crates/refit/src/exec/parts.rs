//! Sends the transaction of a step: as one message, or in parts if its statements are observed.
//!
//! A run on a real database always sends one message. Nothing can come between its statements, so they cannot be observed.

use refit_model::{Statement, split_statements};

use super::failure::{Attempt, alone};
use super::opening::{Extent, Opening};
use super::step::{Step, StepContext, send};
use crate::statement_observer::RunningStatement;

impl StepContext<'_> {
    /// Runs a step's transaction in parts. It is rolled back at the end if the context requires it.
    pub(super) async fn transaction_in_parts(
        &self,
        step: &Step<'_>,
        record: &str,
        attempts: u32,
    ) -> Result<(), Attempt> {
        let lock_timeout = step.lock_timeout.unwrap_or(self.lock_timeout);
        let opening = Opening::transactional(step.stem, lock_timeout, self.facts, None);
        let closing = match self.rolls_back {
            true => format!(
                "SET CONSTRAINTS ALL IMMEDIATE;ROLLBACK;SET SESSION AUTHORIZATION DEFAULT;RESET ALL;{}{}",
                self.facts.restore,
                self.facts.clear_after(step.sql)
            ),
            false => self.closing(step, record, attempts),
        };
        self.in_parts(&opening, (0, &split_statements(step.sql)), &closing).await
    }

    /// Sends one statement of the text in a message of its own, observed if there is an observer.
    pub(super) async fn observed(
        &self,
        statement: RunningStatement<'_>,
    ) -> Result<(), tokio_postgres::Error> {
        let sent = async { self.send(statement.text).await.map_err(|(error, _)| error) };
        match self.statements {
            Some(observer) => observer.observe(statement, Box::pin(sent)).await,
            None => sent.await,
        }
    }

    /// Runs a transaction as one message: nothing can come between its statements.
    pub(super) async fn as_one(
        &self,
        opening: &Opening,
        statement: &Statement<'_>,
        closing: &str,
    ) -> Result<(), Attempt> {
        let message = format!("{}{}\n;{closing}", opening.sql, statement.text);
        let failed = |(error, completed)| Attempt {
            opening: opening.extent(),
            offset: Some(statement.offset),
            ..alone((error, completed))
        };
        self.send(&message).await.map_err(failed)
    }

    /// Runs a transaction in parts, so that each of its statements can be observed. `first` is the index of the first one.
    pub(super) async fn in_parts(
        &self,
        opening: &Opening,
        (first, statements): (usize, &[Statement<'_>]),
        closing: &str,
    ) -> Result<(), Attempt> {
        let extent = opening.extent();
        // Positions refer to the current part.
        let opening_of_part = Extent { characters: 0, ..extent };
        send(self.client, &opening.sql)
            .await
            .map_err(|(error, completed)| Attempt { opening: extent, ..alone((error, completed)) })?;
        for (number, statement) in statements.iter().enumerate() {
            let running = RunningStatement::new(first + number, statement, true);
            self.observed(running).await.map_err(|error| Attempt {
                opening: opening_of_part,
                offset: Some(statement.offset),
                ..alone((error, extent.statements + number))
            })?;
        }
        let failed = |(error, _)| Attempt {
            opening: opening_of_part,
            ..alone((error, extent.statements + statements.len()))
        };
        self.send_to_end(closing).await.map_err(failed)
    }
}
