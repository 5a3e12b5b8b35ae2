//! How far an earlier attempt at a step came, and whether the file still has the statements that it ran.
//!
//! Statements that only change the session are not counted: they run again in every attempt, and may be added to the part of a
//! file that has run.

use refit_model::{Statement, StatementKind};
use tokio_postgres::Client;

use super::begun::Begun;
use crate::error::Error;
use crate::exec::step::Step;
use crate::state::{Earlier, StepRow};

/// Where to resume.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Statements that are complete.
    pub(super) done: usize,
    /// Their checksum; empty when there are none.
    pub(super) checksum: String,
    /// Whether an attempt ended without recording its outcome.
    pub(super) interrupted: bool,
    /// The statement after them, if it was sent outside a transaction and may have had its effect.
    pub(super) begun: Option<Begun>,
}

impl Progress {
    /// Reads how far the attempts came since the step last succeeded.
    ///
    /// # Errors
    /// [`Error::EditedWhileHalfDone`] if the file no longer begins with the completed statements: then it is correct neither to run
    /// them nor to skip them. [`Error::StatementBegun`] if a statement was begun that may not be sent again.
    pub(super) async fn read(
        client: &Client,
        row: &StepRow<'_>,
        step: &Step<'_>,
        statements: &[Statement<'_>],
    ) -> Result<Progress, Error> {
        let Some(earlier) = row.earlier(client).await? else { return Ok(Progress::default()) };
        let begun = Begun::read(client, row).await?;
        if let Some(begun) = begun.as_ref().filter(|begun| begun.leftovers.is_none()) {
            return Err(begun.refuse(step, statements));
        }
        let begun = begun.filter(|begun| begun.statement == earlier.done + 1);
        Progress::resume(step, statements, earlier, begun)
    }

    fn resume(
        step: &Step<'_>,
        statements: &[Statement<'_>],
        earlier: Earlier,
        begun: Option<Begun>,
    ) -> Result<Progress, Error> {
        let Earlier { done, checksum, interrupted } = earlier;
        match checksum_of(statements, done) == checksum {
            true => Ok(Progress { done, checksum, interrupted, begun }),
            false => Err(Error::EditedWhileHalfDone { path: step.path.to_owned(), done }),
        }
    }
}

/// The statements that are counted.
pub(super) fn counted<'s, 'a>(statements: &'s [Statement<'a>]) -> impl Iterator<Item = &'s Statement<'a>> {
    statements.iter().filter(|statement| statement.kind != StatementKind::Session)
}

/// Checksum of the first `done` counted statements.
pub(super) fn checksum_of(statements: &[Statement<'_>], done: usize) -> String {
    counted(statements).take(done).fold(String::new(), |before, statement| checksum(&before, statement))
}

/// Checksum of a statement and all before it, given theirs. It is refinery's checksum, which is the same in all releases.
pub(crate) fn checksum(before: &str, statement: &Statement<'_>) -> String {
    let migration = refinery_core::Migration::unapplied("V0__done", &format!("{before}\n{}", statement.text));
    // The name is valid, so this does not fail; if it did, a restart would take the file for edited and stop.
    migration.map_or_else(|_| "none".to_owned(), |migration| migration.checksum().to_string())
}
