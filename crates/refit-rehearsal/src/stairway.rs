//! Up, down, up: whether a down file restores the schema.

use refit::{Connection, REHEARSAL_SCHEMA};
use refit_catalog::{Catalog, Delta, ReadOptions};
use refit_model::{Position, Statement, StatementKind, split_statements};
use serde::Serialize;

use crate::error::Error;
use crate::execute::{Options, Session};
use crate::failure::unsent;
use crate::file::File;
use crate::server::RehearsalServer;
use crate::session::runner;
use crate::trace::Failure;

/// The outcome of running a migration up, down and up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Stairway {
    /// The schema was the same each time.
    Same,
    /// The schema was the same except for the order of columns.
    Moved {
        /// What differs.
        delta: String,
    },
    /// The schema was different.
    Different {
        /// `down` or `up again`.
        after: &'static str,
        /// What differs from the earlier schema.
        delta: String,
    },
    /// A statement failed.
    Failed {
        /// `down` or `up again`.
        during: &'static str,
        /// The file.
        path: String,
        /// How it failed.
        failure: Failure,
    },
}

impl Stairway {
    /// Whether the down file restores the schema.
    pub fn is_ok(&self) -> bool {
        matches!(self, Stairway::Same | Stairway::Moved { .. })
    }
}

/// Runs a migration up, down and up: in one transaction that is rolled back if both files can run in one and succeed,
/// else step by step on a copy of the database. None if it has no down file or its first run fails.
pub(crate) async fn walk(
    server: &RehearsalServer,
    file: &File,
    awaited: bool,
) -> Result<Option<Stairway>, Error> {
    let Some(down) = &file.down else { return Ok(None) };
    let up = File { traced: false, ..file.clone() };
    let options = Options::default();
    if can_be_in_a_transaction(&up) && can_be_in_a_transaction(down) {
        let url = server.url();
        let client = runner(&url).await?;
        let outcome = steps(&Walker::Together(&client), &up, down).await;
        client.close().await;
        // A failure is checked again below, with a transaction for each file.
        if let Some(outcome @ (Stairway::Same | Stairway::Moved { .. } | Stairway::Different { .. })) =
            outcome?
        {
            return Ok(Some(outcome));
        }
    }
    let url = server.copy().await?;
    let client = runner(&url).await?;
    let session = Session::begin(&url, &client, &options).await?;
    let outcome = steps(&Walker::OneByOne(&client, &session, awaited), &up, down).await?;
    session.end().await;
    client.close().await;
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

/// None if the first run fails.
async fn steps(walker: &Walker<'_>, up: &File, down: &File) -> Result<Option<Stairway>, Error> {
    walker.begin().await?;
    let before = walker.schema().await?;
    if walker.run(up).await?.is_some() {
        return Ok(None);
    }
    let after = walker.schema().await?;
    let failed =
        |during, file: &File, failure| Some(Stairway::Failed { during, path: file.path.clone(), failure });
    if let Some(failure) = walker.run(down).await? {
        return Ok(failed("down", down, failure));
    }
    let down_delta = Delta::between(&before, &walker.schema().await?);
    if !down_delta.is_empty() && !down_delta.is_only_moved() {
        return Ok(Some(Stairway::Different { after: "down", delta: down_delta.text() }));
    }
    if let Some(failure) = walker.run(up).await? {
        return Ok(failed("up again", up, failure));
    }
    let up_delta = Delta::between(&after, &walker.schema().await?);
    Ok(Some(match (up_delta.is_empty(), down_delta.is_empty()) {
        (true, true) => Stairway::Same,
        _ if up_delta.is_empty() || up_delta.is_only_moved() => {
            Stairway::Moved { delta: format!("{}{}", down_delta.text(), up_delta.text()) }
        }
        _ => Stairway::Different { after: "up again", delta: up_delta.text() },
    }))
}

/// How the steps run.
enum Walker<'a> {
    /// In one transaction, which is rolled back when the session ends.
    Together(&'a Connection),
    /// Each as its directives require. The flag: whether a later file waits for this backfill.
    OneByOne(&'a Connection, &'a Session<'a>, bool),
}

impl Walker<'_> {
    async fn begin(&self) -> Result<(), Error> {
        match self {
            Walker::Together(client) => {
                let begun = client.batch_execute("BEGIN").await;
                begun.map_err(Error::database("beginning a stairway"))
            }
            Walker::OneByOne(..) => Ok(()),
        }
    }

    async fn schema(&self) -> Result<Catalog, Error> {
        let mut options = ReadOptions::default();
        options.exclude_schemas.push(REHEARSAL_SCHEMA.to_owned());
        Ok(match self {
            Walker::Together(client) => Catalog::read_within(&***client, &options).await?,
            Walker::OneByOne(client, ..) => Catalog::read(client, &options).await?,
        })
    }

    /// Runs a file. Returns the failure, if any.
    async fn run(&self, file: &File) -> Result<Option<Failure>, Error> {
        match self {
            Walker::Together(client) => {
                // As at the end of a transaction and session: check deferred constraints, reset settings.
                let end =
                    "SET CONSTRAINTS ALL IMMEDIATE; RESET ALL; RESET SESSION AUTHORIZATION; DISCARD TEMP";
                let text = format!("{}\n;{end}", file.text);
                let result = client.batch_execute(&text).await;
                Ok(result.err().map(|error| unsent(Position { line: 1, column: 1 }, error.to_string())))
            }
            Walker::OneByOne(_, session, awaited) => {
                let statements = session.file(file, *awaited).await?;
                Ok(statements.into_iter().find_map(|statement| statement.failure))
            }
        }
    }
}
