//! Undo journals expire: the values that a backfill overwrote are kept for `undo_retention` after it is complete or undone.
//!
//! *Invariant*: the journal of a job that has not ended, in either direction, is never dropped.

use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tracing::{info, warn};

use crate::error::Error;
use crate::event::Event;
use crate::lock_keys::LockKeys;
use crate::migrator::Migrator;
use crate::queries::Queries;
use crate::state::State;

/// Expired journals: the forward job is complete or undone, and no undo is in progress.
const EXPIRED: &str = "SELECT f.id, f.name, f.journal FROM refit.backfill f \
    LEFT JOIN LATERAL (SELECT pg_catalog.max(finished_at) AS finished_at, pg_catalog.bool_or(state = 'complete') AS undone, \
                              pg_catalog.bool_or(journal = f.journal AND state <> 'complete') AS under_way \
                       FROM refit.backfill WHERE version = f.version AND history_id = f.history_id AND id > f.id AND kind = 'undo') u ON true \
    WHERE f.history_id = $2 AND f.kind = 'forward' AND f.journal IS NOT NULL AND (f.state = 'complete' OR coalesce(u.undone, false)) \
      AND NOT coalesce(u.under_way, false) \
      AND greatest(f.finished_at, u.finished_at) + pg_catalog.make_interval(secs => $1) < pg_catalog.clock_timestamp() ORDER BY f.id";

impl Migrator {
    /// Drops expired journals. One that cannot be dropped is logged and tried again later.
    pub(super) async fn drop_expired_journals(&self, client: &Client, state: &State) {
        if let Err(error) = self.drop_expired(client, state).await {
            warn!("cannot drop an expired undo journal: {}", error.message());
        }
    }

    async fn drop_expired(&self, client: &Client, state: &State) -> Result<(), Error> {
        if state.is_empty() || !state.has(client, "backfill").await? {
            return Ok(());
        }
        let seconds = self.set()?.settings().undo_retention.as_secs_f64();
        let asked: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&seconds, Type::FLOAT8), (&state.history(), Type::INT8)];
        let expired = client.query_boxed(&state.sql(EXPIRED), &asked).await;
        let lock = lock_keys(client, state).await?;
        for row in expired.map_err(Error::database("looking for expired undo journals"))? {
            let (job, stem, journal): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
            if drop_journal(client, state, lock, job, &journal, seconds).await? {
                info!(backfill = stem, journal, "dropped its undo journal: `undo_retention` has passed");
                self.planner.options.hooks.event(&Event::JournalDropped { stem: &stem, journal: &journal });
            }
        }
        Ok(())
    }
}

/// The keys of the history's lock.
async fn lock_keys(client: &Client, state: &State) -> Result<LockKeys, Error> {
    let sql = "SELECT schema_name, relation FROM refit.history WHERE id = $1";
    let row = client.query_one_boxed(&state.sql(sql), &[(&state.history(), Type::INT8)]).await;
    let row = row.map_err(Error::database("looking for the history"))?;
    Ok(LockKeys::new(row.get(0), Some(row.get(1))))
}

/// Drops one under the migration lock, so that no rollback can begin at the same time. False when another session has the lock, or
/// has already dropped it.
async fn drop_journal(
    client: &Client,
    state: &State,
    lock: LockKeys,
    job: i64,
    journal: &str,
    seconds: f64,
) -> Result<bool, Error> {
    let failed = || Error::database("dropping an undo journal");
    client.batch_execute_boxed("BEGIN; SET LOCAL lock_timeout = '2s'").await.map_err(failed())?;
    let outcome = async {
        let sql = format!(
            "SELECT {} AND EXISTS (SELECT FROM ({EXPIRED}) AS expired WHERE id = $3)",
            lock.all("pg_try_advisory_xact_lock")
        );
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&seconds, Type::FLOAT8), (&state.history(), Type::INT8), (&job, Type::INT8)];
        if !client.query_one_boxed(&state.sql(&sql), &parameters).await?.get::<_, bool>(0) {
            return Ok(false);
        }
        client.batch_execute_boxed(&format!("DROP TABLE IF EXISTS {journal}")).await?;
        let sql = "UPDATE refit.backfill SET journal = NULL WHERE journal = $1";
        client.execute_boxed(&state.sql(sql), &[(&journal, Type::TEXT)]).await.map(|_| true)
    };
    let outcome: Result<bool, tokio_postgres::Error> = outcome.await;
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = client.batch_execute_boxed(end).await;
    let dropped = outcome.map_err(failed())?;
    ended.map_err(failed()).map(|()| dropped)
}
