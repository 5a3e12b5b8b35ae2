//! Observes statements that cannot run in a transaction: a session blocks the statement on each table that it may use, until
//! another session has seen which lock it waits for.
//!
//! The blocking session holds SHARE UPDATE EXCLUSIVE, the weakest lock that conflicts with itself and all stronger ones, and
//! no snapshot. A statement of several transactions may lock a table more than once, so it is blocked a second time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refit::{Connection, Sent};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::locks::Locks;
use super::relations::Relations;
use crate::error::Error;
use crate::session::open;

/// Maximum number of tables to watch: each costs a session.
const TABLES: usize = 24;

/// Interval between observations.
const PERIOD: Duration = Duration::from_millis(1);

/// The sessions that observe and block one statement.
pub(crate) struct LockWatcher {
    watcher: Connection,
    /// The blocking sessions by process id.
    barriers: BTreeMap<i32, Barrier>,
}

struct Barrier {
    connection: Arc<Connection>,
    lock: String,
    released: u32,
}

/// What was observed while a statement ran.
pub(crate) struct Observed {
    pub(crate) locks: Locks,
    pub(crate) duration: Duration,
}

impl LockWatcher {
    /// Opens the sessions and blocks the tables that a statement may use.
    pub(crate) async fn start(url: &str, relations: &Relations, text: &str) -> Result<LockWatcher, Error> {
        let watcher = open(url, "observing").await?;
        let mut this = LockWatcher { watcher, barriers: BTreeMap::new() };
        for oid in relations.named_in(text).into_iter().take(TABLES) {
            let Some(relation) = relations.get(oid) else { continue };
            let connection = open(url, "blocking").await?;
            let lock = format!("BEGIN; LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE", relation.quoted);
            connection.batch_execute(&lock).await.map_err(Error::database("taking the blocking lock"))?;
            let pid = backend(&connection).await?;
            this.barriers.insert(pid, Barrier { connection: Arc::new(connection), lock, released: 0 });
        }
        Ok(this)
    }

    /// Runs a statement of `runner` and observes it until it finishes. Returns its outcome, and what was observed.
    pub(crate) async fn run(
        mut self,
        runner: &Client,
        mut sent: Sent<'_>,
    ) -> (Result<(), tokio_postgres::Error>, Result<Observed, Error>) {
        let pid = match backend(runner).await {
            Ok(pid) => pid,
            Err(error) => return (self.give_up(sent).await, Err(error)),
        };
        let (began, mut waited, mut locks) = (Instant::now(), Duration::ZERO, Locks::default());
        let result = loop {
            let started = Instant::now();
            tokio::select! {
                biased;
                result = &mut sent => break result,
                observed = self.observe(pid, &mut locks) => match observed {
                    Ok(Some(released)) => waited += released.saturating_duration_since(started),
                    Ok(None) => {}
                    Err(error) => return (self.give_up(sent).await, Err(error)),
                }
            }
        };
        let duration = began.elapsed().saturating_sub(waited);
        let observed = self.end().await.map(|()| Observed { locks, duration });
        (result, observed)
    }

    /// Lets the statement run to its end without being observed.
    async fn give_up(self, sent: Sent<'_>) -> Result<(), tokio_postgres::Error> {
        self.end().await.ok();
        sent.await
    }

    /// Records the locks that the session holds and waits for, and releases the barriers that block it. Returns the time of the
    /// release, if any: the statement runs again from then on.
    async fn observe(&mut self, pid: i32, locks: &mut Locks) -> Result<Option<Instant>, Error> {
        tokio::time::sleep(PERIOD).await;
        let sql = "SELECT relation, mode FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND pid = $1";
        let blocking = "SELECT pg_catalog.unnest(pg_catalog.pg_blocking_pids($1))";
        let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[(&pid, Type::INT4)];
        // In this order: a lock that the first query shows as awaited is in the result of the second.
        let (blockers, rows) = tokio::try_join!(
            self.watcher.query_typed(blocking, parameters),
            self.watcher.query_typed(sql, parameters)
        )
        .map_err(Error::database("observing the statement"))?;
        rows.iter().for_each(|row| locks.add(row));
        let mut released = None;
        for blocker in blockers {
            released = released.max(self.release(blocker.get(0)).await?);
        }
        Ok(released)
    }

    /// Releases a barrier: the first time it is queued again, the second time it is removed.
    async fn release(&mut self, pid: i32) -> Result<Option<Instant>, Error> {
        let Some(barrier) = self.barriers.get_mut(&pid) else { return Ok(None) };
        let now = Instant::now();
        barrier.released += 1;
        if barrier.released > 1 {
            self.barriers.remove(&pid);
            self.terminate(vec![pid]).await?;
            return Ok(Some(now));
        }
        let connection = Arc::clone(&barrier.connection);
        // In one message, so that it is in the queue before the statement continues. It gets its lock when the statement
        // releases the table, or ends with this watcher.
        let again = format!("ROLLBACK; {}", barrier.lock);
        tokio::spawn(async move { connection.batch_execute(&again).await });
        Ok(Some(now))
    }

    async fn end(mut self) -> Result<(), Error> {
        let pids: Vec<i32> = std::mem::take(&mut self.barriers).into_keys().collect();
        self.terminate(pids).await?;
        self.watcher.close().await;
        Ok(())
    }

    async fn terminate(&self, pids: Vec<i32>) -> Result<(), Error> {
        let sql = "SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.unnest($1) AS pid";
        let ended = self.watcher.query_typed(sql, &[(&pids, Type::INT4_ARRAY)]).await;
        ended.map(drop).map_err(Error::database("releasing the blocking locks"))
    }
}

async fn backend(client: &Client) -> Result<i32, Error> {
    let rows = client.query_typed("SELECT pg_catalog.pg_backend_pid()", &[]).await;
    let rows = rows.map_err(Error::database("reading the session's process id"))?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}
