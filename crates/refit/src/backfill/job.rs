//! Jobs as `refit.backfill` has them: registering, reading, and how they end.

use std::time::Duration;

use refit_model::{BackfillDirective, MAX_WORKERS, Migration, Version, split_statements};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::key::literal;
use super::shape::Shape;
use crate::error::Error;
use crate::state::exists;

/// A backfill that is registered in a database.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) statement: String,
    pub(crate) directive: BackfillDirective,
    pub(crate) state: String,
    pub(crate) wanted: String,
    pub(crate) remaining: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) journal: Option<String>,
    /// Whether its ranges were ever cut.
    pub(crate) begun: bool,
}

/// Which way a job goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It does what its migration says.
    Forward,
    /// It restores what a forward one has overwritten.
    Undo,
}

const COLUMNS: &str = "id, version, name, statement, directive, state, wanted, remaining, error, journal, kind, started_at IS NOT NULL";

/// The newest job of each version: the one that counts.
const NEWEST: &str = "SELECT DISTINCT ON (version) * FROM refit.backfill ORDER BY version, id DESC";

impl Job {
    fn read(row: &Row) -> Result<Job, Error> {
        let directive: String = row.get(4);
        let directive: BackfillDirective = serde_json::from_str(&directive).map_err(|error| {
            let name: String = row.get(2);
            Error::Internal(format!(
                "the directive of the backfill {name} cannot be read ({error}): a newer refit has registered it"
            ))
        })?;
        // One that an older release registered may have any number of them.
        let workers = directive.workers.clamp(1, MAX_WORKERS);
        Ok(Job {
            id: row.get(0),
            version: row.get(1),
            name: row.get(2),
            statement: row.get(3),
            directive: BackfillDirective { workers, ..directive },
            state: row.get(5),
            wanted: row.get(6),
            remaining: row.get(7),
            error: row.get(8),
            journal: row.get(9),
            kind: if row.get::<_, String>(10) == "undo" { Kind::Undo } else { Kind::Forward },
            begun: row.get(11),
        })
    }

    /// The job that applying a migration would register; none when it is no backfill.
    pub(crate) fn unregistered(migration: &Migration) -> Option<Job> {
        Some(Job {
            id: 0,
            version: migration.version,
            name: migration.stem.clone(),
            kind: Kind::Forward,
            statement: migration.sql.to_string(),
            directive: migration.directives.backfill.clone()?,
            state: "registered".to_owned(),
            wanted: "run".to_owned(),
            remaining: None,
            error: None,
            journal: None,
            begun: false,
        })
    }

    pub(crate) fn is_undo(&self) -> bool {
        self.kind == Kind::Undo
    }

    /// The jobs that are not complete, in the order of their versions. One that is being undone is none of them.
    pub(crate) async fn unfinished(client: &Client) -> Result<Vec<Job>, Error> {
        if !exists(client, "refit.backfill").await? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM ({NEWEST}) AS newest WHERE state <> 'complete' AND kind = 'forward' ORDER BY version"
        );
        let rows = client.query_typed(&sql, &[]).await.map_err(Error::database("reading the backfills"))?;
        rows.iter().map(Job::read).collect()
    }

    /// A job that goes back and is not complete.
    pub(crate) async fn halfway_back(client: &Client) -> Result<Option<Job>, Error> {
        if !exists(client, "refit.backfill").await? {
            return Ok(None);
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM ({NEWEST}) AS newest WHERE state <> 'complete' AND kind = 'undo' ORDER BY version LIMIT 1"
        );
        let rows = client.query_typed(&sql, &[]).await.map_err(Error::database("reading the backfills"))?;
        rows.first().map(Job::read).transpose()
    }

    /// The newest job of a version.
    pub(crate) async fn of(client: &Client, version: Version) -> Result<Option<Job>, Error> {
        if !exists(client, "refit.backfill").await? {
            return Ok(None);
        }
        let sql = format!("SELECT {COLUMNS} FROM ({NEWEST}) AS newest WHERE version = $1");
        let rows = client.query_typed(&sql, &[(&version, Type::INT8)]).await;
        rows.map_err(Error::database("reading a backfill"))?.first().map(Job::read).transpose()
    }

    /// The job as it stands now.
    pub(crate) async fn again(&self, client: &Client) -> Result<Job, Error> {
        let sql = format!("SELECT {COLUMNS} FROM refit.backfill WHERE id = $1");
        let rows = client.query_typed(&sql, &[(&self.id, Type::INT8)]).await;
        match rows.map_err(Error::database("reading a backfill"))?.first() {
            Some(row) => Job::read(row),
            None => Err(Error::Internal(format!("the backfill {} is no longer registered", self.name))),
        }
    }

    /// How long a statement of a batch may take.
    pub(crate) fn limit(&self) -> Duration {
        (self.directive.target() * 20).max(Duration::from_secs(1))
    }

    /// Ends the job, or what of it can be done for now.
    pub(crate) async fn end(&self, client: &Client, state: &str, error: Option<&str>) -> Result<(), Error> {
        let sql = "UPDATE refit.backfill SET state = $2, error = $3, throttle = NULL, rows_per_second = NULL, \
                       finished_at = clock_timestamp() WHERE id = $1 AND state IN ('registered', 'running')";
        client
            .execute_typed(sql, &[(&self.id, Type::INT8), (&state, Type::TEXT), (&error, Type::TEXT)])
            .await
            .map_err(Error::database("closing a backfill"))?;
        Ok(())
    }

    /// The error of a job that did not come to its end.
    pub(crate) fn failure(&self, reason: impl Into<String>) -> Error {
        Error::Backfill { version: self.version, stem: self.name.clone(), reason: reason.into() }
    }
}

/// The versions whose backfill is registered and not complete, or undone.
pub(crate) async fn unfinished_versions(client: &Client) -> Result<Vec<Version>, Error> {
    if !exists(client, "refit.backfill").await? {
        return Ok(Vec::new());
    }
    let sql =
        format!("SELECT version FROM ({NEWEST}) AS newest WHERE state <> 'complete' OR kind <> 'forward'");
    let rows = client.query_typed(&sql, &[]).await.map_err(Error::database("reading the backfills"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Refuses a backfill whose text alone shows that its batches cannot be kept apart, before it is registered.
///
/// # Errors
/// [`Error::Backfill`], with what to do.
pub(crate) fn can_begin(migration: &Migration) -> Result<(), Error> {
    let Some(job) = Job::unregistered(migration) else { return Ok(()) };
    if split_statements(&job.statement).is_empty() {
        return Ok(());
    }
    Shape::of(&job.statement, &job.directive).map(drop).map_err(|reason| job.failure(reason))
}

/// The SQL that registers a migration's backfill: what its step runs instead of its text.
pub(crate) fn registration(migration: &Migration, directive: &BackfillDirective) -> String {
    let json = serde_json::to_string(directive).unwrap_or_default();
    format!(
        "INSERT INTO refit.backfill (version, name, statement, directive, remaining) VALUES ({}, {}, {}, {}, {})",
        migration.version,
        literal(&migration.stem),
        literal(&migration.sql),
        literal(&json),
        directive.remaining.as_deref().map_or("NULL".to_owned(), literal)
    )
}
