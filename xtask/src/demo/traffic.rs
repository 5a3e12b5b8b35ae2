//! Light traffic: statements of the old release, and requests to the replicas of the new release. Each request is counted
//! in the phase in which it started, with its latency.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::RngExt;
use refit_scenarios::percentile;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls, Statement};

use super::http::{self, Answer};
use super::replica::Replica;
use super::report::Figures;
use super::story::Story;

/// The phase of the demo in which a request started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Only the old release runs.
    Before,
    /// The replicas boot and migrate.
    During,
    /// The replicas serve.
    After,
}

const READERS: usize = 2;
const WRITERS: usize = 2;
const READ_EVERY: Duration = Duration::from_millis(4);
const WRITE_EVERY: Duration = Duration::from_millis(10);
/// Number of posts that the traffic uses; few enough that writers conflict.
const POSTS: i64 = 500;

/// The traffic of the old release.
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

struct Shared {
    phase: AtomicUsize,
    phases: [Mutex<Samples>; 3],
}

/// Counts and latencies.
#[derive(Default)]
pub(crate) struct Samples {
    reads: u64,
    writes: u64,
    failed: u64,
    latencies: Vec<Duration>,
    errors: Vec<String>,
}

impl Traffic {
    /// Connects and starts, in the phase [`Phase::Before`].
    pub(crate) async fn start(url: &str) -> anyhow::Result<Traffic> {
        let posts: Arc<[i64]> = some_posts(url).await?.into();
        let shared =
            Arc::new(Shared { phase: AtomicUsize::new(Phase::Before as usize), phases: Default::default() });
        let (stop, _) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for number in 0..READERS + WRITERS {
            let worker = OldRelease::connect(url, posts.clone(), number >= READERS).await?;
            tasks.spawn(worker.run(shared.clone(), stop.subscribe()));
        }
        Ok(Traffic { shared, stop, tasks })
    }

    /// Counts requests that start from now on in another phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.shared.phase.store(phase as usize, Ordering::Relaxed);
    }

    /// Waits for open requests, and returns the figures of the three phases in order.
    pub(crate) async fn stop(self) -> [Figures; 3] {
        self.stop.send_replace(true);
        self.tasks.join_all().await;
        self.shared.phases.each_ref().map(|samples| lock(samples).figures())
    }
}

/// A client of the old release, whose statements do not use the new columns.
struct OldRelease {
    client: Client,
    posts: Arc<[i64]>,
    read: Statement,
    touch: Statement,
    insert: Statement,
    writes: bool,
}

impl OldRelease {
    async fn connect(url: &str, posts: Arc<[i64]>, writes: bool) -> anyhow::Result<OldRelease> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        let read = client
            .prepare(
                "SELECT id, version_number, title, body, author, created_at FROM content_versions
                 WHERE content_type = 'post' AND content_id = $1 ORDER BY version_number DESC LIMIT 20",
            )
            .await?;
        let touch = client.prepare("UPDATE posts SET body = $2 WHERE id = $1").await?;
        let insert = client
            .prepare(
                "INSERT INTO content_versions (content_type, content_id, version_number, body, author)
                 SELECT 'post', $1, coalesce(max(version_number), 0) + 1, $2, 'old release'
                 FROM   content_versions WHERE content_type = 'post' AND content_id = $1",
            )
            .await?;
        Ok(OldRelease { client, posts, read, touch, insert, writes })
    }

    async fn run(mut self, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(if self.writes { WRITE_EVERY } else { READ_EVERY });
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !*stop.borrow() && !self.client.is_closed() {
            ticks.tick().await;
            let post = self.posts[rand::rng().random_range(0..self.posts.len())];
            let phase = shared.phase.load(Ordering::Relaxed);
            let start = Instant::now();
            let outcome = if self.writes { self.write(post).await } else { self.read(post).await };
            let outcome = outcome.map_err(|error| match error.as_db_error() {
                Some(db) => format!("{}: {}", db.code().code(), db.message()),
                None => error.to_string(),
            });
            lock(&shared.phases[phase]).add(self.writes, start.elapsed(), outcome);
        }
    }

    async fn read(&self, post: i64) -> Result<(), tokio_postgres::Error> {
        self.client.query(&self.read, &[&post]).await.map(drop)
    }

    async fn write(&mut self, post: i64) -> Result<(), tokio_postgres::Error> {
        let body = format!("saved by the old release, naïvely: {post} ✓");
        let transaction = self.client.transaction().await?;
        transaction.execute(&self.touch, &[&post, &body]).await?;
        transaction.execute(&self.insert, &[&post, &body]).await?;
        transaction.commit().await
    }
}

async fn some_posts(url: &str) -> anyhow::Result<Vec<i64>> {
    let client = refit::connect(url, &refit::ConnectOptions::default()).await?;
    let rows = client.query("SELECT id FROM posts ORDER BY id DESC LIMIT $1", &[&POSTS]).await?;
    let posts: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    anyhow::ensure!(!posts.is_empty(), "traffic needs at least one post; generate more versions");
    Ok(posts)
}

/// Sends requests to every replica for a while: reads, and versions of the same few posts.
pub(crate) async fn call_replicas(
    url: &str,
    replicas: &[Replica],
    duration: Duration,
    story: &mut Story,
) -> anyhow::Result<Vec<Figures>> {
    let posts: Arc<[i64]> = some_posts(url).await?.into_iter().take(10).collect();
    let mut tasks = JoinSet::new();
    for (index, replica) in replicas.iter().enumerate() {
        let base = replica.base()?;
        for writes in [false, true] {
            let (base, posts) = (base.clone(), posts.clone());
            tasks.spawn(async move { (index, call(&base, &posts, writes, duration).await) });
        }
    }
    story.say("requests to both replicas start; the old release continues beside them".to_owned());
    let spinner = story.spinner("traffic after");
    let mut samples: Vec<Samples> = replicas.iter().map(|_| Samples::default()).collect();
    while let Some(done) = tasks.join_next().await {
        let (index, more) = done?;
        samples[index].merge(more);
    }
    spinner.finish_and_clear();
    Ok(samples.iter_mut().map(Samples::figures).collect())
}

async fn call(base: &str, posts: &[i64], writes: bool, duration: Duration) -> Samples {
    let mut samples = Samples::default();
    let end = Instant::now() + duration;
    while Instant::now() < end {
        let post = posts[rand::rng().random_range(0..posts.len())];
        let url = format!("{base}/content/post/{post}/versions");
        let start = Instant::now();
        let answer = match writes {
            true => {
                http::post(url, &serde_json::json!({ "body": "saved by a call 📨", "author": "demo" })).await
            }
            false => http::get(format!("{url}?limit=20")).await,
        };
        let outcome = answer.and_then(|answer| check(&answer, writes)).map_err(|error| format!("{error:#}"));
        samples.add(writes, start.elapsed(), outcome);
        tokio::time::sleep(WRITE_EVERY).await;
    }
    samples
}

fn check(answer: &Answer, writes: bool) -> anyhow::Result<()> {
    let expected = if writes { 201 } else { 200 };
    anyhow::ensure!(answer.status == expected, "{} {}", answer.status, answer.body);
    Ok(())
}

impl Samples {
    fn add(&mut self, writes: bool, latency: Duration, outcome: Result<(), String>) {
        match outcome {
            Ok(()) if writes => self.writes += 1,
            Ok(()) => self.reads += 1,
            Err(error) => {
                self.failed += 1;
                if self.errors.len() < 5 {
                    self.errors.push(error);
                }
            }
        }
        self.latencies.push(latency);
    }

    fn merge(&mut self, other: Samples) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.failed += other.failed;
        self.latencies.extend(other.latencies);
        self.errors.extend(other.errors);
    }

    fn figures(&mut self) -> Figures {
        self.latencies.sort_unstable();
        let ms = |duration: Duration| (duration.as_secs_f64() * 1e5).round() / 100.0;
        Figures {
            reads: self.reads,
            writes: self.writes,
            failed: self.failed,
            p50_ms: ms(percentile(&self.latencies, 50.0)),
            p99_ms: ms(percentile(&self.latencies, 99.0)),
            max_ms: ms(self.latencies.last().copied().unwrap_or_default()),
            errors: self.errors.clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_separately_and_the_first_are_kept() {
        let mut samples = Samples::default();
        samples.add(true, Duration::from_millis(2), Ok(()));
        samples.add(false, Duration::from_millis(1), Ok(()));
        for n in 0..9 {
            samples.add(true, Duration::from_millis(3), Err(n.to_string()));
        }
        let figures = samples.figures();
        assert_eq!((figures.reads, figures.writes, figures.failed), (1, 1, 9));
        assert_eq!(figures.errors.len(), 5);
        assert_eq!((figures.p50_ms, figures.max_ms), (3.0, 3.0));
    }
}
