//! What every request handler shares: the pool, the migrator, and the phase of the service's life.

use std::sync::Arc;

use deadpool_postgres::Pool;
use tokio::sync::watch;

use crate::api_error::ApiError;

/// Where the service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The port is bound, migrations are being applied.
    Migrating,
    /// Requests are answered.
    Serving,
    /// Told to stop: open requests finish, `/readyz` says 503 so that no new ones are sent here.
    Stopping,
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct State {
    pool: Pool,
    migrator: Arc<refit::Migrator>,
    phase: watch::Receiver<Phase>,
}

impl State {
    /// Puts the parts together.
    pub fn new(pool: Pool, migrator: Arc<refit::Migrator>, phase: watch::Receiver<Phase>) -> State {
        State { pool, migrator, phase }
    }

    /// Where the service is in its life.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// A connection of the pool.
    ///
    /// # Errors
    /// 503 when none can be had in time.
    pub(crate) async fn connection(&self) -> Result<deadpool_postgres::Client, ApiError> {
        Ok(self.pool.get().await?)
    }

    /// What is between the database and this binary.
    ///
    /// # Errors
    /// 503 when the database does not answer or the plan cannot be made.
    pub(crate) async fn plan(&self) -> Result<refit::Plan, ApiError> {
        let client = self.connection().await?;
        self.migrator.plan(&client).await.map_err(|error| ApiError::Unavailable(error.into()))
    }
}
