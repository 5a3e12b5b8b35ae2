//! Up, down, up: whether a down file leaves the schema as it was, on a copy of the database.

use refit_catalog::{Catalog, Delta, ReadOptions};
use serde::Serialize;

use crate::error::Error;
use crate::execute::{Options, Session};
use crate::file::File;
use crate::server::Place;
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
    /// Whether there is nothing to mend.
    pub fn is_fine(&self) -> bool {
        matches!(self, Stairway::Same | Stairway::Moved { .. })
    }
}

/// Walks a migration up, down and up. None where it has no down file, or does not even go up.
pub(crate) async fn walk(place: &Place, file: &File, awaited: bool) -> Result<Option<Stairway>, Error> {
    let Some(down) = &file.down else { return Ok(None) };
    let up = File { traced: false, ..file.clone() };
    let url = place.copy().await?;
    let options = Options::default();
    let mut session = Session::open(&url, &options).await?;
    let before = schema(&session).await?;
    let outcome = match run(&mut session, &up, awaited).await? {
        Some(_) => None,
        None => Some(down_and_up(&mut session, &before, &up, down, awaited).await?),
    };
    session.close().await;
    Ok(outcome)
}

async fn down_and_up(
    session: &mut Session<'_>,
    before: &Catalog,
    up: &File,
    down: &File,
    awaited: bool,
) -> Result<Stairway, Error> {
    let above = schema(session).await?;
    let failed = |during, file: &File, failure| Stairway::Failed { during, path: file.path.clone(), failure };
    if let Some(failure) = run(session, down, awaited).await? {
        return Ok(failed("down", down, failure));
    }
    let lower = Delta::between(before, &schema(session).await?);
    if !lower.is_empty() && !lower.is_only_moved() {
        return Ok(Stairway::Different { after: "down", delta: lower.text() });
    }
    if let Some(failure) = run(session, up, awaited).await? {
        return Ok(failed("up again", up, failure));
    }
    let upper = Delta::between(&above, &schema(session).await?);
    Ok(match (upper.is_empty(), lower.is_empty()) {
        (true, true) => Stairway::Same,
        _ if upper.is_empty() || upper.is_only_moved() => {
            Stairway::Moved { delta: format!("{}{}", lower.text(), upper.text()) }
        }
        _ => Stairway::Different { after: "up again", delta: upper.text() },
    })
}

async fn schema(session: &Session<'_>) -> Result<Catalog, Error> {
    Ok(Catalog::read(session.client(), &ReadOptions::default()).await?)
}

async fn run(session: &mut Session<'_>, file: &File, awaited: bool) -> Result<Option<Failure>, Error> {
    Ok(session.file(file, awaited).await?.into_iter().find_map(|statement| statement.failure))
}
