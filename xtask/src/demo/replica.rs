//! A replica: a process of the service, with its log. Dropping it kills the process.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::http::{self, Answer};
use super::story::Story;

const BOOT_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A process of the service.
pub(crate) struct Replica {
    name: &'static str,
    child: Child,
    started: Instant,
    log: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
    base: Option<String>,
    ready_after: Option<Duration>,
    not_ready_answers: u32,
}

/// The result of running a replica.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Life {
    pub(crate) name: &'static str,
    /// Seconds from its start to the first 200 of `/readyz`.
    pub(crate) ready_after_seconds: Option<f64>,
    /// The number of migrations that it applied; the other replica applied the rest.
    pub(crate) applied: usize,
    /// The number of 503 responses of `/readyz` while it migrated or waited for the other.
    pub(crate) not_ready_answers: u32,
    /// Its exit status after SIGTERM.
    pub(crate) exit: String,
    /// Whether that is success.
    #[serde(rename = "stopped_well")]
    pub(crate) succeeded: bool,
}

impl Replica {
    /// Starts the service on a free port.
    pub(crate) fn spawn(name: &'static str, binary: &Path, url: &str) -> anyhow::Result<Replica> {
        let mut child = Command::new(binary)
            .env("DATABASE_URL", url)
            .env("CONTENT_SERVICE_LISTEN", "127.0.0.1:0")
            .env("RUST_LOG", "info,refinery_core=warn")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().context("standard error is piped")?;
        let kept = log.clone();
        let reader = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let started = Instant::now();
        Ok(Replica { name, child, started, log, reader, base: None, ready_after: None, not_ready_answers: 0 })
    }

    /// `http://address:port`, once the replica has logged its address.
    pub(crate) fn base(&self) -> anyhow::Result<String> {
        self.base.clone().with_context(|| format!("{} has not logged its address", self.name))
    }

    /// Sends SIGTERM and waits for the exit.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Life> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = id {
            kill_process(pid, Signal::TERM)?;
        }
        let status = match tokio::time::timeout(STOP_LIMIT, self.child.wait()).await {
            Ok(status) => status?,
            Err(_) => {
                self.child.kill().await?;
                bail!("{} did not stop within {STOP_LIMIT:?} of SIGTERM and was killed", self.name)
            }
        };
        (&mut self.reader).await?;
        Ok(Life {
            name: self.name,
            ready_after_seconds: self.ready_after.map(|after| (after.as_secs_f64() * 100.0).round() / 100.0),
            applied: self.log().iter().find_map(|line| applied(line)).unwrap_or(0),
            not_ready_answers: self.not_ready_answers,
            exit: status.to_string(),
            succeeded: status.success(),
        })
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks once whether the process runs, its address, and whether it is ready.
    async fn poll(&mut self, story: &mut Story) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} exited unexpectedly ({status})", self.name);
        }
        if self.base.is_none() {
            self.base = self.log().iter().find_map(|line| listening(line)).map(|a| format!("http://{a}"));
        }
        let Some(base) = self.base.clone() else { return Ok(()) };
        let Answer { status, body } = http::get(format!("{base}/readyz")).await?;
        let ready = status == 200;
        // The service logs this before it is ready, but its log may be read later.
        let applied = self.log().iter().find_map(|line| applied(line));
        if let (true, Some(applied)) = (ready, applied) {
            let after = self.started.elapsed();
            self.ready_after = Some(after);
            let applied = match applied {
                0 => "it had nothing to apply".to_owned(),
                applied => format!("it applied {applied} migrations"),
            };
            let seconds = after.as_secs_f64();
            story
                .say(format!("{}: /readyz returns 200 {seconds:.2} s after its start; {applied}", self.name));
        } else if !ready {
            self.not_ready_answers += 1;
            if self.not_ready_answers == 1 {
                let health = http::get(format!("{base}/healthz")).await?.status;
                let pending = body["plan"]["pending"].as_array().map_or(0, Vec::len);
                story.say(format!(
                    "{}: /healthz returns {health}, /readyz returns 503 with {pending} migrations pending",
                    self.name
                ));
            }
        }
        Ok(())
    }
}

/// Waits until every replica is ready.
pub(crate) async fn all_ready(replicas: &mut [Replica], story: &mut Story) -> anyhow::Result<()> {
    let start = Instant::now();
    while replicas.iter().any(|replica| replica.ready_after.is_none()) {
        if start.elapsed() > BOOT_LIMIT {
            bail!("the replicas are not ready after {BOOT_LIMIT:?}");
        }
        for replica in replicas.iter_mut().filter(|replica| replica.ready_after.is_none()) {
            replica.poll(story).await?;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Adds the end of each replica's log to an error.
pub(crate) fn with_logs(error: anyhow::Error, replicas: &[Replica]) -> anyhow::Error {
    let mut text = format!("{error:#}");
    for replica in replicas {
        let log = replica.log();
        let end = log[log.len().saturating_sub(20)..].join("\n");
        text.push_str(&format!("\n--- end of the log of {} ---\n{end}", replica.name));
    }
    anyhow::Error::msg(text)
}

/// Parses the number of applied migrations from a log line.
fn applied(line: &str) -> Option<usize> {
    let rest = line.split_once(" migrated applied=")?.1;
    rest.split_whitespace().next()?.parse().ok()
}

/// Parses the address from a log line.
fn listening(line: &str) -> Option<&str> {
    let rest = line.split_once(" listening address=")?.1;
    rest.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_log() {
        let line = "2026-01-01T00:00:00Z  INFO content_service::boot: listening address=127.0.0.1:40213";
        assert_eq!(listening(line), Some("127.0.0.1:40213"));
        assert_eq!(listening("INFO content_service::boot: ready address=127.0.0.1:40213"), None);
        assert_eq!(applied("INFO content_service::boot: migrated applied=7 version=12"), Some(7));
    }
}
