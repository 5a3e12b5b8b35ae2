//! Statements that are sent by themselves, outside of a transaction of ours.
//!
//! Invariant: what may have committed a part of its work is never sent again by itself. Whether it did is not guessed from its
//! text: a session numbers its transactions, so the numbers show whether there was more than one.

use refit_model::StatementKind;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::Current;
use super::begun::Sent;
use crate::error::Error;
use crate::exec::failure::Attempt;
use crate::exec::step::StepContext;
use crate::statement_observer::RunningStatement;

/// What an error that the server reports says of the effects of a statement.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Failing {
    /// It had none.
    HasNoEffect,
    /// It may leave something behind, which the next attempt recognises.
    LeavesTraces,
}

impl StepContext<'_> {
    /// A statement that may be repeated: recorded, sent and counted. The outer error is final; the inner one is the
    /// statement's.
    pub(super) async fn repeatable(
        &self,
        current: &Current<'_>,
        sent: &mut Sent,
        failing: Failing,
    ) -> Result<Result<(), Attempt>, Error> {
        self.begin(current, sent, true).await?;
        if let Err(failed) = self.send_alone(current).await {
            let existed = failed.error.code() == Some(&SqlState::DUPLICATE_TABLE);
            if answered(self.client, &failed) && (existed || failing == Failing::HasNoEffect) {
                self.withdraw(current, sent).await;
            }
            return Ok(Err(failed));
        }
        sent.complete = true;
        Ok(self.count_alone(current).await)
    }

    /// A statement that may commit by itself, or do what no transaction undoes: sent once.
    pub(super) async fn once(
        &self,
        current: &Current<'_>,
        sent: &mut Sent,
    ) -> Result<Result<(), Attempt>, Error> {
        self.hold_lock(current.step).await?;
        self.begin(current, sent, false).await?;
        let before = self.transaction_number().await;
        let Err(failed) = self.send_alone(current).await else {
            sent.complete = true;
            return Ok(self.count_alone(current).await);
        };
        // Its own transaction, which was rolled back, and the one that asks.
        // An observer uses the session too, so the numbers prove nothing; its database is thrown away.
        let rolled_back = answered(self.client, &failed)
            && (self.statements.is_some()
                || match (before, self.transaction_number().await) {
                    (Some(before), Some(after)) => after == before + 2,
                    _ => false,
                });
        sent.partial = !rolled_back;
        if rolled_back {
            self.withdraw(current, sent).await;
        }
        Ok(Err(failed))
    }

    /// Sends it as it stands.
    pub(super) async fn send_alone(&self, current: &Current<'_>) -> Result<(), Attempt> {
        let statement = current.statement();
        let sent = self.observed(RunningStatement::new(current.index, statement, false)).await;
        sent.map_err(|error| Attempt::of_statement(error, Some(statement.offset)))
    }

    /// The number of the session's transaction, among those of the session.
    async fn transaction_number(&self) -> Option<u64> {
        let sql = "SELECT virtualtransaction FROM pg_catalog.pg_locks \
                   WHERE locktype OPERATOR(pg_catalog.=) 'virtualxid'::pg_catalog.text \
                     AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()";
        let messages = self.client.simple_query(sql).await.ok()?;
        let text = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })?;
        text.rsplit('/').next()?.parse().ok()
    }

    /// Whether a `CALL` or `DO` seems to commit by itself: its block does, or a procedure that it names, or one that is
    /// named in that. Running it in a transaction first, to see it refused, would repeat what no transaction undoes.
    pub(super) async fn commits(&self, current: &Current<'_>) -> Result<bool, Error> {
        let statement = current.statement();
        if statement.kind != StatementKind::Routine {
            return Ok(false);
        }
        let mut words: Vec<String> = statement
            .text
            .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
            // As the server folds names, which is by its locale where a character is a byte.
            .flat_map(|word| [word.to_owned(), refit_model::fold(word), word.to_lowercase()])
            .collect();
        words.sort_unstable();
        words.dedup();
        let is_block = statement.text.get(..2).is_some_and(|first| first.eq_ignore_ascii_case("DO"));
        if is_block && words.iter().any(|word| word == "commit" || word == "rollback") {
            return Ok(true);
        }
        let sql = r"WITH RECURSIVE called (oid, source) AS (
                SELECT oid, pg_catalog.lower(prosrc) FROM pg_catalog.pg_proc
                WHERE prokind = 'p' AND proname::pg_catalog.text = ANY ($1)
                UNION
                SELECT pg_proc.oid, pg_catalog.lower(prosrc) FROM called JOIN pg_catalog.pg_proc
                    ON prokind = 'p' AND pg_catalog.strpos(called.source, pg_catalog.lower(proname::pg_catalog.text)) > 0)
            SELECT EXISTS (SELECT FROM called WHERE source ~ '\m(commit|rollback)\M')";
        let rows = self.look("looking at a procedure", sql, &[(&words, Type::TEXT_ARRAY)]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }
}

/// Whether the server reported how it ended, and the session continues.
pub(super) fn answered(client: &tokio_postgres::Client, failed: &Attempt) -> bool {
    let said = failed.error.as_db_error().is_some_and(|db| !crate::exec::failure::is_cut(db.code()));
    said && !client.is_closed()
}
