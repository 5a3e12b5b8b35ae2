//! Statements that are sent outside of a transaction of Refit's.
//!
//! Invariant: a statement that may have committed a part of its work is sent again only if an operator decides so. Whether it did
//! is not guessed from its text: a session numbers its transactions, so the numbers show whether there was more than one.

use refit_model::StatementKind;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::Current;
use super::begun::Sent;
use crate::error::Error;
use crate::exec::failure::Attempt;
use crate::exec::step::StepContext;
use crate::queries::Queries;
use crate::statement_observer::RunningStatement;

/// What an error that the server reports implies for the effects of a statement.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Failing {
    /// The statement had no effect.
    HasNoEffect,
    /// The statement may have left something behind, which the next attempt recognises.
    LeavesTraces,
}

impl StepContext<'_> {
    /// Records, sends and counts a statement that may be repeated. The outer error is final; the inner one is the statement's.
    pub(super) async fn repeatable(
        &self,
        current: &Current<'_>,
        sent: &mut Sent,
        failing: Failing,
    ) -> Result<Result<(), Attempt>, Error> {
        self.begin(current, sent, true).await?;
        if let Err(failed) = self.send_alone(current).await {
            let existed = failed.error.code() == Some(&SqlState::DUPLICATE_TABLE);
            if reported_by_server(self.client, &failed) && (existed || failing == Failing::HasNoEffect) {
                self.withdraw(current, sent).await;
            }
            return Ok(Err(failed));
        }
        sent.complete = true;
        Ok(self.count_alone(current).await)
    }

    /// Sends a statement once that may contain a COMMIT, or have effects that a rollback does not undo.
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
        // Two more: the statement's own transaction, which was rolled back, and that of the query for the number.
        // An observer also uses the session, so the numbers prove nothing; its database is temporary.
        let rolled_back = reported_by_server(self.client, &failed)
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

    /// Sends the statement as it is written.
    pub(super) async fn send_alone(&self, current: &Current<'_>) -> Result<(), Attempt> {
        let statement = current.statement();
        let sent = self.observed(RunningStatement::new(current.index, statement, false)).await;
        sent.map_err(|error| Attempt::of_statement(error, Some(statement.offset)))
    }

    /// The number of the current transaction, counted within the session.
    async fn transaction_number(&self) -> Option<u64> {
        let sql = "SELECT virtualtransaction FROM pg_catalog.pg_locks \
                   WHERE locktype OPERATOR(pg_catalog.=) 'virtualxid'::pg_catalog.text \
                     AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()";
        let messages = self.client.simple_query_boxed(sql).await.ok()?;
        let text = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })?;
        text.rsplit('/').next()?.parse().ok()
    }

    /// Whether a `CALL` or `DO` seems to contain a COMMIT or ROLLBACK: in its block, in a procedure that it names, or in one that
    /// is named there. Trying it in a transaction first, to see whether it is rejected, could repeat effects that a rollback does
    /// not undo.
    pub(super) async fn commits(&self, current: &Current<'_>) -> Result<bool, Error> {
        let statement = current.statement();
        if statement.kind != StatementKind::Routine {
            return Ok(false);
        }
        let mut words: Vec<String> = statement
            .text
            .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
            // The server folds names by its locale if its encoding has one byte per character.
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
        let rows = self.look("reading procedures", sql, &[(&words, Type::TEXT_ARRAY)]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }
}

/// Whether the server reported the failure and the session is still open.
pub(super) fn reported_by_server(client: &tokio_postgres::Client, failed: &Attempt) -> bool {
    let reported = failed.error.as_db_error().is_some_and(|db| !crate::exec::failure::is_cut(db.code()));
    reported && !client.is_closed()
}
