//! The shared state of request handlers: the pool, the migrator, and the phase of the service.

use std::sync::Arc;

use deadpool_postgres::Pool;
use tokio::sync::watch;

use crate::api_error::ApiError;

/// A phase in the life cycle of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The port is bound, and migrations are being applied.
    Migrating,
    /// Requests are answered.
    Serving,
    /// Open requests finish; `/readyz` returns 503, so that a load balancer sends no new ones.
    Stopping,
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct State {
    pool: Pool,
    migrator: Arc<refit::Migrator>,
    progress: refit::Progress,
    phase: watch::Receiver<Phase>,
}

impl State {
    /// Creates the state.
    pub fn new(
        pool: Pool,
        migrator: Arc<refit::Migrator>,
        progress: refit::Progress,
        phase: watch::Receiver<Phase>,
    ) -> State {
        State { pool, migrator, progress, phase }
    }

    /// What the migrator is doing.
    pub fn progress(&self) -> &refit::Progress {
        &self.progress
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// A connection from the pool.
    ///
    /// # Errors
    /// 503 when none is available in time.
    pub(crate) async fn connection(&self) -> Result<deadpool_postgres::Client, ApiError> {
        Ok(self.pool.get().await?)
    }

    /// The plan of pending and held migrations.
    ///
    /// # Errors
    /// 503 when the database does not answer or planning fails.
    pub(crate) async fn plan(&self) -> Result<refit::Plan, ApiError> {
        let client = self.connection().await?;
        self.migrator.plan(&client).await.map_err(|error| ApiError::Unavailable(error.message().into()))
    }
}
