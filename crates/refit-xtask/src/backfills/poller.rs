//! Polls the status of backfills on its own session.

use std::time::Duration;

use jiff::Timestamp;
use refit::backfill::{JobRequest, JobState, JobStatus};
use refit::{ConnectOptions, Connection, Migrator, application_name};
use serde::Serialize;
use tokio_postgres::types::Type;

use crate::database::connect_options;

/// The status of a backfill, and the number of its workers' sessions.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ObservedJob {
    #[serde(flatten)]
    pub(crate) status: JobStatus,
    /// Number of worker sessions, working or waiting.
    pub(crate) sessions: i64,
    /// When its journal is dropped, RFC 3339. None if there is no journal, the backfill is not complete, or there is no
    /// migrations folder.
    pub(crate) journal_kept_until: Option<String>,
}

impl ObservedJob {
    pub(crate) fn is_complete(&self) -> bool {
        self.status.state == JobState::Complete
    }

    /// Whether a worker would work on it.
    pub(crate) fn is_runnable(&self) -> bool {
        self.status.requested == JobRequest::Run
            && matches!(self.status.state, JobState::Registered | JobState::Running)
    }
}

/// Reads the status of all backfills of a database. `retention`: how long journals are kept.
pub(crate) async fn observe(
    connection: &Connection,
    migrator: &Migrator,
    retention: Option<Duration>,
) -> anyhow::Result<Vec<ObservedJob>> {
    let mut all = Vec::new();
    let state = migrator.state(connection).await?;
    for status in JobStatus::all(connection, &state).await? {
        let sessions = sessions(connection, &status).await?;
        let journal_kept_until = kept_until(&status, retention);
        all.push(ObservedJob { status, sessions, journal_kept_until });
    }
    Ok(all)
}

fn kept_until(status: &JobStatus, retention: Option<Duration>) -> Option<String> {
    let since: Timestamp = status.journal.as_ref()?.kept_since.as_ref()?.parse().ok()?;
    Some(since.checked_add(retention?).ok()?.to_string())
}

/// Counts the sessions of a backfill's workers, by application name.
async fn sessions(connection: &Connection, status: &JobStatus) -> anyhow::Result<i64> {
    let sql = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity \
               WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND application_name OPERATOR(pg_catalog.=) $1";
    let name = status.session_name();
    Ok(connection.query_typed_one(sql, &[(&name, Type::TEXT)]).await?.get(0))
}

/// Polls the status, and reconnects after a connection is lost.
pub(crate) struct StatusPoller {
    url: String,
    migrator: Migrator,
    retention: Option<Duration>,
    connection: Option<Connection>,
}

impl StatusPoller {
    pub(crate) fn new(url: &str, migrator: Migrator, retention: Option<Duration>) -> StatusPoller {
        StatusPoller { url: url.to_owned(), migrator, retention, connection: None }
    }

    pub(crate) async fn poll(&mut self) -> anyhow::Result<Vec<ObservedJob>> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => {
                let options = ConnectOptions {
                    retry_for: Duration::ZERO,
                    application_name: application_name::STATUS_POLLER.to_owned(),
                    ..connect_options()
                };
                refit::connect(&self.url, &options).await?
            }
        };
        let jobs = observe(&connection, &self.migrator, self.retention).await?;
        self.connection = Some(connection);
        Ok(jobs)
    }
}
