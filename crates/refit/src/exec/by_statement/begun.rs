//! The record that a statement is about to be sent outside a transaction, written before it is sent.
//!
//! Invariant: a statement that may have had an effect outside of Refit's transactions is recorded as begun in a transaction that
//! committed before it was sent. The record is removed when the statement is counted, or is known to have had no effect.

use refit_model::{Position, SqlText, Statement};
use tokio_postgres::Client;
use tokio_postgres::types::{Oid, ToSql, Type};
use tracing::warn;

use super::{Current, progress};
use crate::error::Error;
use crate::exec::step::{Step, StepContext};
use crate::plan::StepKind;
use crate::queries::Queries;
use crate::state::StepRow;

/// A statement that was begun, as recorded in `refit.step`.
#[derive(Debug)]
pub(super) struct Begun {
    /// The row with the record.
    pub(super) row: i64,
    /// Its number, counted as in `statements_done`.
    pub(super) statement: usize,
    /// Invalid indexes that existed before it was sent; `None` if it may not be sent again.
    pub(super) leftovers: Option<Vec<Oid>>,
    /// Whether the text of the file is still the one of that attempt.
    same_text: bool,
}

/// What is known of the effects of the current statement.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// An earlier attempt sent it, so it may have had its effect.
    pub(super) before: bool,
    /// That attempt had the text that the file has now.
    pub(super) same_text: bool,
    /// Invalid indexes that existed before it was first sent.
    pub(super) leftovers: Vec<Oid>,
    /// It is complete, and only has to be counted.
    pub(super) complete: bool,
    /// A part of its work may be committed, so it may not be sent again.
    pub(super) partial: bool,
    /// The row of the earlier attempt that recorded it.
    earlier: Option<i64>,
}

impl Sent {
    /// For the statement with this number.
    pub(super) fn of(number: usize, begun: Option<&Begun>) -> Sent {
        match begun.filter(|begun| begun.statement == number) {
            Some(begun) => Sent {
                before: true,
                same_text: begun.same_text,
                leftovers: begun.leftovers.clone().unwrap_or_default(),
                earlier: Some(begun.row),
                ..Sent::default()
            },
            None => Sent::default(),
        }
    }
}

impl Begun {
    /// Reads the record that the attempts since the last success have left.
    pub(super) async fn read(client: &Client, row: &StepRow<'_>) -> Result<Option<Begun>, Error> {
        let sql = "SELECT id, statement_begun, leftovers, checksum = $4 FROM refit.step \
                   WHERE kind = $1 AND version IS NOT DISTINCT FROM $2 AND name = $3 AND outcome <> 'succeeded' \
                     AND run_id IN (SELECT id FROM refit.run WHERE history_id = $5) AND statement_begun IS NOT NULL \
                     AND id > coalesce((SELECT pg_catalog.max(id) FROM refit.step WHERE kind = $1 AND name = $3 \
                         AND run_id IN (SELECT id FROM refit.run WHERE history_id = $5) \
                         AND version IS NOT DISTINCT FROM $2 AND outcome = 'succeeded'), 0) \
                   ORDER BY id DESC LIMIT 1";
        let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
            (&row.kind(), Type::TEXT),
            (&row.version, Type::INT8),
            (&row.name, Type::TEXT),
            (&row.checksum.to_string(), Type::TEXT),
            (&row.state.history(), Type::INT8),
        ];
        let rows = client.query_boxed(&row.state.sql(sql), &parameters).await;
        let rows = rows.map_err(Error::database("reading which statement was begun"))?;
        Ok(rows.first().map(|row| Begun {
            row: row.get(0),
            statement: usize::try_from(row.get::<_, i32>(1)).unwrap_or(0),
            leftovers: row.get(2),
            same_text: row.get(3),
        }))
    }

    /// The error that names it.
    pub(super) fn refuse(&self, step: &Step<'_>, statements: &[Statement<'_>]) -> Error {
        let (statement, position) = place(statements, self.statement, step.sql);
        Error::StatementBegun { path: step.path.to_owned(), position, statement, step: reference(step) }
    }
}

/// Which statement of the file the counted one is, from 1, and its position.
pub(super) fn place(statements: &[Statement<'_>], number: usize, sql: &SqlText) -> (usize, Position) {
    let counted = progress::counted(statements).nth(number.saturating_sub(1));
    let index = counted.and_then(|counted| statements.iter().position(|s| s.offset == counted.offset));
    let offset = counted.map_or(sql.len(), |statement| statement.offset);
    (index.map_or(number, |index| index + 1), sql.position(offset))
}

/// How `repair` names a step.
pub(super) fn reference(step: &Step<'_>) -> String {
    match (step.kind, step.version) {
        (StepKind::Repeatable, _) | (_, None) => step.stem.to_owned(),
        (_, Some(version)) => format!("V{version}"),
    }
}

impl StepContext<'_> {
    /// Records that the statement is about to be sent; with `repeatable` it may be sent again after an interruption.
    pub(super) async fn begin(
        &self,
        current: &Current<'_>,
        sent: &mut Sent,
        repeatable: bool,
    ) -> Result<(), Error> {
        let oids: Vec<String> = sent.leftovers.iter().map(Oid::to_string).collect();
        let leftovers = if repeatable { format!("'{{{}}}'", oids.join(",")) } else { "NULL".to_owned() };
        let id = current.row;
        let earlier = sent.earlier.map_or(String::new(), |earlier| format!(", {earlier}"));
        // It must survive whatever the statement does, a crash of the server included.
        let sql = format!(
            "BEGIN;{}SET LOCAL synchronous_commit = on;\
             UPDATE {}.step SET statement_begun = CASE WHEN id = {id} THEN {} END, \
                 leftovers = CASE WHEN id = {id} THEN {leftovers}::pg_catalog.oid[] END WHERE id IN ({id}{earlier});COMMIT",
            self.facts.as_before,
            self.facts.state.quoted(),
            current.number
        );
        let begun = self.client.batch_execute_boxed(&sql).await;
        begun.map_err(Error::database("recording that a statement begins"))?;
        (sent.before, sent.same_text) = (true, true);
        Ok(())
    }

    /// Removes the record, because the statement is known to have had no effect.
    pub(super) async fn withdraw(&self, current: &Current<'_>, sent: &mut Sent) {
        let sql = format!(
            "BEGIN;{}UPDATE {}.step SET statement_begun = NULL, leftovers = NULL WHERE id = {};COMMIT",
            self.facts.as_before,
            self.facts.state.quoted(),
            current.row
        );
        match self.client.batch_execute_boxed(&sql).await {
            Ok(()) => (sent.before, sent.same_text) = (false, false),
            Err(error) => {
                let error = crate::error::describe(&error);
                warn!(%error, "could not record that a statement had no effect");
            }
        }
    }
}
