//! Statements that cannot run in a transaction: a session stands in their way on each table that they may mean, until
//! another has seen which lock they wait for.
//!
//! What stands in the way holds SHARE UPDATE EXCLUSIVE, the weakest lock that conflicts with itself and all stronger ones, and
//! no snapshot. A statement of several transactions may lock a table more than once: the way is barred a second time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refit::Connection;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::locks::Locks;
use super::relations::Relations;
use crate::error::Error;
use crate::session::open;

/// Tables that are watched at most: each costs a session.
const TABLES: usize = 24;

/// How often is looked.
const PERIOD: Duration = Duration::from_millis(1);

/// Sessions around one statement.
pub(crate) struct Watch {
    watcher: Connection,
    /// By process id.
    barriers: BTreeMap<i32, Barrier>,
}

struct Barrier {
    connection: Arc<Connection>,
    lock: String,
    times: u32,
}

/// What was seen of a statement while it ran.
pub(crate) struct Seen {
    pub(crate) locks: Locks,
    pub(crate) duration: Duration,
}

impl Watch {
    /// Stands in the way on the tables that a statement may mean.
    pub(crate) async fn start(url: &str, relations: &Relations, text: &str) -> Result<Watch, Error> {
        let watcher = open(url, "refit rehearsal, looking on").await?;
        let mut watch = Watch { watcher, barriers: BTreeMap::new() };
        for oid in relations.named_in(text).into_iter().take(TABLES) {
            let Some(relation) = relations.get(oid) else { continue };
            let connection = open(url, "refit rehearsal, blocking").await?;
            let lock = format!("BEGIN; LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE", relation.quoted);
            connection.batch_execute(&lock).await.map_err(Error::database("taking the blocking lock"))?;
            let pid = backend(&connection).await?;
            watch.barriers.insert(pid, Barrier { connection: Arc::new(connection), lock, times: 0 });
        }
        Ok(watch)
    }

    /// Runs a statement and looks on until it is done.
    pub(crate) async fn run(
        mut self,
        runner: &Client,
        text: &str,
    ) -> Result<(Result<(), tokio_postgres::Error>, Seen), Error> {
        let pid = backend(runner).await?;
        let (began, mut waited, mut locks) = (Instant::now(), Duration::ZERO, Locks::default());
        let result = {
            let statement = runner.batch_execute(text);
            tokio::pin!(statement);
            loop {
                let looked = Instant::now();
                tokio::select! {
                    biased;
                    result = &mut statement => break result,
                    looked_at = self.look(pid, &mut locks) => {
                        if let Some(cleared) = looked_at? {
                            waited += cleared.saturating_duration_since(looked);
                        }
                    }
                }
            }
        };
        let duration = began.elapsed().saturating_sub(waited);
        self.end().await?;
        Ok((result, Seen { locks, duration }))
    }

    /// Looks at what the session has and waits for, and clears its way. When it did, if it had to: from then on the statement is
    /// at work again.
    async fn look(&mut self, pid: i32, locks: &mut Locks) -> Result<Option<Instant>, Error> {
        tokio::time::sleep(PERIOD).await;
        let sql = "SELECT relation, mode FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND pid = $1";
        let blocking = "SELECT pg_catalog.unnest(pg_catalog.pg_blocking_pids($1))";
        let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[(&pid, Type::INT4)];
        // In this order: a lock that was waited for at the first answer is among those of the second.
        let (blockers, rows) = tokio::try_join!(
            self.watcher.query_typed(blocking, parameters),
            self.watcher.query_typed(sql, parameters)
        )
        .map_err(Error::database("looking on"))?;
        rows.iter().for_each(|row| locks.note(row));
        let mut cleared = None;
        for blocker in blockers {
            cleared = cleared.max(self.clear(blocker.get(0)).await?);
        }
        Ok(cleared)
    }

    /// Steps aside, once to come again and then for good.
    async fn clear(&mut self, pid: i32) -> Result<Option<Instant>, Error> {
        let Some(barrier) = self.barriers.get_mut(&pid) else { return Ok(None) };
        let now = Instant::now();
        barrier.times += 1;
        if barrier.times > 1 {
            self.barriers.remove(&pid);
            self.terminate(vec![pid]).await?;
            return Ok(Some(now));
        }
        let connection = Arc::clone(&barrier.connection);
        // In one message: it queues behind the statement before that goes on. It gets its lock when the statement lets go, or
        // ends with the watch.
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
        ended.map(drop).map_err(Error::database("stepping aside"))
    }
}

async fn backend(client: &Client) -> Result<i32, Error> {
    let rows = client.query_typed("SELECT pg_catalog.pg_backend_pid()", &[]).await;
    let rows = rows.map_err(Error::database("asking for the session's process"))?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}
