//! Traffic at a fixed rate. Each request is timed from the instant at which it was due, so that waiting for the one before counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use refit::Connection;
use tokio::task::JoinHandle;

/// A program that sends requests: it says what is prepared on each of its connections.
pub trait Release: Clone + Send + Sync + 'static {
    /// A connection with its prepared statements.
    type Client: Requests;

    /// Prepares the statements.
    fn prepare(
        &self,
        connection: Connection,
    ) -> impl Future<Output = Result<Self::Client, tokio_postgres::Error>> + Send;
}

/// A connection that sends requests.
pub trait Requests: Send {
    /// Sends the next request. `number` counts them from 0.
    fn send(&mut self, number: u64) -> impl Future<Output = Result<(), tokio_postgres::Error>> + Send;
}

/// Traffic that runs until it is stopped.
#[derive(Debug)]
pub struct Traffic {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<anyhow::Result<Latencies>>>,
}

/// How long requests took.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    /// When each request was due, and how long it took from then on.
    times: Vec<(Instant, Duration)>,
    failed: u64,
    errors: Vec<String>,
}

impl Traffic {
    /// Starts `clients` connections, which send `rate` requests a second together.
    ///
    /// # Errors
    /// When a connection fails, or a statement cannot be prepared.
    pub async fn start<R: Release>(
        url: &str,
        release: R,
        rate: u32,
        clients: u32,
    ) -> anyhow::Result<Traffic> {
        let stop = Arc::new(AtomicBool::new(false));
        let period = Duration::from_secs(1) * clients / rate;
        let mut prepared = Vec::new();
        for _ in 0..clients {
            let connection = refit::connect(url, &refit::ConnectOptions::default()).await?;
            prepared.push(release.prepare(connection).await?);
        }
        let begin = Instant::now();
        let tasks = (0..clients).zip(prepared).map(|(number, client)| {
            let due = begin + period * number / clients;
            tokio::spawn(requests(client, due, period, Arc::clone(&stop)))
        });
        Ok(Traffic { clients: tasks.collect(), stop })
    }

    /// Stops the clients, and returns how long each request took.
    ///
    /// # Errors
    /// When a client panicked.
    pub async fn end(self) -> anyhow::Result<Latencies> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Latencies::default();
        for client in self.clients {
            all = all.and(client.await??);
        }
        Ok(all)
    }
}

async fn requests<C: Requests>(
    mut client: C,
    mut due: Instant,
    period: Duration,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Latencies> {
    let mut found = Latencies::default();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        let outcome = client.send(number).await;
        found.times.push((due, due.elapsed()));
        if let Err(error) = outcome {
            found.failed += 1;
            let lost = error.is_closed();
            found.errors.push(match error.as_db_error() {
                Some(db) => format!("{}: {}", db.code().code(), db.message()),
                None => error.to_string(),
            });
            if lost {
                break;
            }
        }
        number += 1;
        due += period;
    }
    Ok(found)
}

/// The smallest value that is not exceeded by at least this percentage of the sorted values; zero without values.
pub fn percentile(sorted: &[Duration], percent: f64) -> Duration {
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

impl Latencies {
    /// A percentile of the times; zero if there are none.
    pub fn percentile(&self, percent: f64) -> Duration {
        let mut sorted: Vec<Duration> = self.times.iter().map(|(_, took)| *took).collect();
        sorted.sort_unstable();
        percentile(&sorted, percent)
    }

    /// The slowest.
    pub fn max(&self) -> Duration {
        self.percentile(100.0)
    }

    /// How many requests were sent.
    pub fn sent(&self) -> u64 {
        self.times.len() as u64
    }

    /// How many failed.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Why they failed.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// Those of two kinds of traffic together.
    #[must_use]
    pub fn and(mut self, other: Latencies) -> Latencies {
        self.times.extend(other.times);
        self.failed += other.failed;
        self.errors.extend(other.errors);
        self
    }

    /// Only the requests that were due from an instant on, up to another one. Failures are not divided.
    #[must_use]
    pub fn between(&self, from: Instant, to: Instant) -> Latencies {
        let times = self.times.iter().filter(|(due, _)| (from..to).contains(due)).copied().collect();
        Latencies { times, failed: self.failed, errors: self.errors.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let now = Instant::now();
        let times = (1..=100).rev().map(|ms| (now, Duration::from_millis(ms))).collect();
        let latencies = Latencies { times, ..Latencies::default() };
        let found = [50.0, 99.0, 99.9].map(|percent| latencies.percentile(percent).as_millis());
        assert_eq!(found, [50, 99, 100]);
        let values: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values[..1], 99.0), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50.0), Duration::ZERO);
        assert_eq!((latencies.max().as_millis(), latencies.sent()), (100, 100));
        assert_eq!(Latencies::default().percentile(99.0), Duration::ZERO);
    }
}
