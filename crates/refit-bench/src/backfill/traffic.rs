//! The traffic during a backfill: reads and writes of single rows at a fixed rate, with the time of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::task::JoinHandle;

/// Requests a second, of all clients together.
const RATE: u32 = 200;
const CLIENTS: u32 = 8;

/// Traffic that runs until it is stopped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<anyhow::Result<Vec<Duration>>>>,
}

impl Traffic {
    /// Starts the clients.
    pub(crate) fn start(url: &str, rows: u64) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..CLIENTS)
            .map(|number| {
                let (url, stop) = (url.to_owned(), Arc::clone(&stop));
                tokio::spawn(async move { client(&url, rows, number, &stop).await })
            })
            .collect();
        Traffic { stop, clients }
    }

    /// Stops the clients; returns how long each request took, measured from the time at which it was due.
    pub(crate) async fn end(self) -> anyhow::Result<Latencies> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for client in self.clients {
            all.extend(client.await??);
        }
        all.sort();
        Ok(Latencies(all))
    }
}

async fn client(url: &str, rows: u64, number: u32, stop: &AtomicBool) -> anyhow::Result<Vec<Duration>> {
    let client = refit::connect(url, &refit::ConnectOptions::default()).await?;
    let read = client.prepare("SELECT title FROM content_versions WHERE id = $1").await?;
    let write = client.prepare("UPDATE content_versions SET title = title || '.' WHERE id = $1").await?;
    let period = Duration::from_secs(1) * CLIENTS / RATE;
    let (mut times, mut due) = (Vec::new(), Instant::now() + period * number / CLIENTS);
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        let id = i64::try_from(rand::rng().random_range(1..=rows))?;
        let statement = if times.len() % 4 == 0 { &write } else { &read };
        client.execute(statement, &[&id]).await?;
        times.push(due.elapsed());
        due += period;
    }
    client.close().await;
    Ok(times)
}

/// Sorted times of requests.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// A percentile of the times.
    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        let at = (self.0.len() as f64 * percent / 100.0) as usize;
        self.0.get(at.min(self.0.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// The slowest.
    pub(crate) fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// Combines those of several runs.
    pub(crate) fn and(mut self, other: Latencies) -> Latencies {
        self.0.extend(other.0);
        self.0.sort();
        self
    }
}
