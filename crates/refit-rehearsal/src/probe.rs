//! Probes: on each table one session reads and one writes repeatedly; the longest wait of each is recorded.
//!
//! The writer only takes and releases the lock of a write, so that it changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use refit::Connection;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::session::open;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_micros(500);

/// A table to probe.
#[derive(Debug, Clone)]
pub(crate) struct Probed {
    pub(crate) table: String,
    pub(crate) quoted: String,
}

/// The running probes.
pub(crate) struct Probes {
    stop: Arc<AtomicBool>,
    tasks: Vec<(String, JoinHandle<Duration>, JoinHandle<Duration>)>,
}

impl Probes {
    pub(crate) async fn start(url: &str, tables: &[Probed]) -> Result<Probes, Error> {
        let mut probes = Probes { stop: Arc::new(AtomicBool::new(false)), tasks: Vec::new() };
        for probed in tables {
            let read = format!("SELECT 1 FROM {} LIMIT 1", probed.quoted);
            let write = format!("BEGIN; LOCK TABLE {} IN ROW EXCLUSIVE MODE; ROLLBACK", probed.quoted);
            let reader = probes.probe(url, read).await?;
            let writer = probes.probe(url, write).await?;
            probes.tasks.push((probed.table.clone(), reader, writer));
        }
        Ok(probes)
    }

    async fn probe(&self, url: &str, sql: String) -> Result<JoinHandle<Duration>, Error> {
        let connection = open(url, "traffic").await?;
        // Warm up: the first time, a session reads the catalog.
        connection.batch_execute(&sql).await.map_err(Error::database("probing a table"))?;
        let stop = Arc::clone(&self.stop);
        Ok(tokio::spawn(async move {
            let longest = longest(&connection, &sql, &stop).await;
            connection.close().await;
            longest
        }))
    }

    /// Stops the probes. Returns the longest waits of reader and writer for each table.
    pub(crate) async fn end(self) -> Result<Vec<(String, Duration, Duration)>, Error> {
        self.stop.store(true, Ordering::Relaxed);
        let mut waits = Vec::new();
        for (table, reader, writer) in self.tasks {
            waits.push((table, reader.await?, writer.await?));
        }
        Ok(waits)
    }
}

async fn longest(connection: &Connection, sql: &str, stop: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let result = connection.batch_execute(sql).await;
        longest = longest.max(began.elapsed());
        // The table was dropped or renamed: there is nothing left to wait for.
        if result.is_err() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    longest
}
