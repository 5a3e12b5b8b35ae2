//! Up, down, up: whether a down file leaves the schema as it was.

use refit_catalog::{Catalog, Delta, ReadOptions};
use refit_model::{Position, Statement, StatementKind, split_statements};
use serde::Serialize;

use crate::error::Error;
use crate::execute::{Options, Session};
use crate::file::File;
use crate::server::Place;
use crate::session::unsent;
use crate::trace::Failure;

/// What became of a migration that went up, down and up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Stairway {
    /// The schema was each time as it had been.
    Same,
    /// The same but for the order of columns.
    Moved {
        /// What differs.
        delta: String,
    },
    /// The schema was not as it had been.
    Different {
        /// `down` or `up again`.
        after: &'static str,
        /// What differs from how it was.
        delta: String,
    },
    /// A statement failed.
    Failed {
        /// `down` or `up again`.
        during: &'static str,
        /// The file.
        path: String,
        /// How.
        failure: Failure,
    },
}

impl Stairway {
    /// Whether there is nothing to fix.
    pub fn is_fine(&self) -> bool {
        matches!(self, Stairway::Same | Stairway::Moved { .. })
    }
}

/// Walks a migration up, down and up: in one transaction that is rolled back, where both files can be in one and go well
/// there, else on a copy of the database, step by step. None where it has no down file, or does not even go up.
pub(crate) async fn walk(place: &Place, file: &File, awaited: bool) -> Result<Option<Stairway>, Error> {
    let Some(down) = &file.down else { return Ok(None) };
    let up = File { traced: false, ..file.clone() };
    let options = Options::default();
    if can_be_in_a_transaction(&up) && can_be_in_a_transaction(down) {
        let url = place.url();
        let session = Session::open(&url, &options).await?;
        let outcome = steps(&mut Walker::Together(&session), &up, down).await;
        session.close().await;
        // What fails is seen again, and judged, where each file is a transaction of its own.
        if let Some(outcome @ (Stairway::Same | Stairway::Moved { .. } | Stairway::Different { .. })) =
            outcome?
        {
            return Ok(Some(outcome));
        }
    }
    let url = place.copy().await?;
    let mut session = Session::open(&url, &options).await?;
    let outcome = steps(&mut Walker::OneByOne(&mut session, awaited), &up, down).await?;
    session.close().await;
    Ok(outcome)
}

fn can_be_in_a_transaction(file: &File) -> bool {
    let refused = |statement: &Statement<'_>| {
        matches!(statement.kind, StatementKind::TransactionControl | StatementKind::CopyThroughClient)
    };
    file.directives.transaction
        && file.directives.backfill.is_none()
        && !split_statements(&file.text).iter().any(refused)
}

/// None where it does not go up.
async fn steps(walker: &mut Walker<'_, '_>, up: &File, down: &File) -> Result<Option<Stairway>, Error> {
    walker.begin().await?;
    let before = walker.schema().await?;
    if walker.run(up).await?.is_some() {
        return Ok(None);
    }
    let above = walker.schema().await?;
    let failed =
        |during, file: &File, failure| Some(Stairway::Failed { during, path: file.path.clone(), failure });
    if let Some(failure) = walker.run(down).await? {
        return Ok(failed("down", down, failure));
    }
    let lower = Delta::between(&before, &walker.schema().await?);
    if !lower.is_empty() && !lower.is_only_moved() {
        return Ok(Some(Stairway::Different { after: "down", delta: lower.text() }));
    }
    if let Some(failure) = walker.run(up).await? {
        return Ok(failed("up again", up, failure));
    }
    let upper = Delta::between(&above, &walker.schema().await?);
    Ok(Some(match (upper.is_empty(), lower.is_empty()) {
        (true, true) => Stairway::Same,
        _ if upper.is_empty() || upper.is_only_moved() => {
            Stairway::Moved { delta: format!("{}{}", lower.text(), upper.text()) }
        }
        _ => Stairway::Different { after: "up again", delta: upper.text() },
    }))
}

/// How the steps are walked.
enum Walker<'s, 'a> {
    /// In one transaction, which ends with the session.
    Together(&'s Session<'a>),
    /// Each as its directives say; the flag is for a backfill.
    OneByOne(&'s mut Session<'a>, bool),
}

impl Walker<'_, '_> {
    async fn begin(&self) -> Result<(), Error> {
        match self {
            Walker::Together(session) => {
                let begun = session.client().batch_execute("BEGIN").await;
                begun.map_err(Error::database("beginning a stairway"))
            }
            Walker::OneByOne(..) => Ok(()),
        }
    }

    async fn schema(&self) -> Result<Catalog, Error> {
        let options = ReadOptions::default();
        Ok(match self {
            Walker::Together(session) => Catalog::read_within(&**session.client(), &options).await?,
            Walker::OneByOne(session, _) => Catalog::read(session.client(), &options).await?,
        })
    }

    /// How it failed, if it did.
    async fn run(&mut self, file: &File) -> Result<Option<Failure>, Error> {
        match self {
            Walker::Together(session) => {
                // As between two transactions: what is deferred is due, and what was set is forgotten.
                let end =
                    "SET CONSTRAINTS ALL IMMEDIATE; RESET ALL; RESET SESSION AUTHORIZATION; DISCARD TEMP";
                let text = format!("{}\n;{end}", file.text);
                let result = session.client().batch_execute(&text).await;
                Ok(result.err().map(|error| unsent(Position { line: 1, column: 1 }, error.to_string())))
            }
            Walker::OneByOne(session, awaited) => {
                let statements = session.file(file, *awaited).await?;
                Ok(statements.into_iter().find_map(|statement| statement.failure))
            }
        }
    }
}
