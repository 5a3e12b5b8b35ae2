//! Live progress of backfills: a bar on a terminal, plain lines elsewhere.

use refit::backfill::JobState;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use refit_model::Version;

use super::poller::{ObservedJob, StatusPoller};
use super::render::{figures, state};
use crate::output::{Output, QUIET, WARN, say};
use crate::render::figures::{count, failed};

/// Interval between polls.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// Interval between lines when only figures change.
const LINE: Duration = Duration::from_secs(5);

/// Shows the progress on standard error.
pub(crate) struct Live {
    out: Output,
    bar: ProgressBar,
    lines: Lines,
    /// Ids of jobs to ignore.
    ignored: Vec<i64>,
    /// The latest observation.
    pub(crate) jobs: Vec<ObservedJob>,
}

impl Live {
    /// `ignored` are the ids of jobs not to show.
    pub(crate) fn new(out: Output, ignored: Vec<i64>) -> Live {
        let terminal = out.human() && std::io::stderr().is_terminal();
        let bar = if terminal { bar() } else { ProgressBar::hidden() };
        Live { out, bar, lines: Lines::own(), ignored, jobs: Vec::new() }
    }

    /// A function that prints a line without disturbing the bar.
    pub(crate) fn say(&self) -> impl Fn(String) + Send + Sync + 'static {
        let (bar, human) = (self.bar.clone(), self.out.human());
        move |text| {
            if human {
                bar.suspend(|| say(&text));
            }
        }
    }

    /// Polls and shows the progress until dropped.
    pub(crate) async fn show(&mut self, poller: &mut StatusPoller) -> std::convert::Infallible {
        let say = self.say();
        let mut disconnected = false;
        loop {
            match poller.poll().await {
                Ok(all) => {
                    disconnected = false;
                    self.update(all);
                    self.draw(&say);
                }
                Err(error) if !disconnected => {
                    disconnected = true;
                    say(format!(
                        "{WARN}cannot reach the server{WARN:#}: {}",
                        crate::output::error_text(&error)
                    ));
                }
                Err(_) => {}
            }
            tokio::time::sleep(TICK).await;
        }
    }

    pub(crate) fn update(&mut self, mut all: Vec<ObservedJob>) {
        all.retain(|job| !self.ignored.contains(&job.status.id));
        self.jobs = all;
    }

    fn draw(&mut self, say: &impl Fn(String)) {
        if self.bar.is_hidden() {
            self.lines.changes(&self.jobs).into_iter().for_each(say);
            return;
        }
        let is_active = |seen: &&ObservedJob| seen.status.state == JobState::Running || seen.is_runnable();
        let Some(seen) = self.jobs.iter().find(is_active) else { return };
        self.bar.set_position(thousandths(seen.status.progress));
        self.bar.set_prefix(crate::terminal::plain(&seen.status.name));
        self.bar.set_message(bar_text(&bar_message(seen)));
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(1_000);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} [{bar:24}] {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1,000")]
fn thousandths(progress: f64) -> u64 {
    (progress.clamp(0.0, 1.0) * 1_000.0) as u64
}

/// The figures after the bar, and a second line with strategy, workers and problems.
fn bar_message(seen: &ObservedJob) -> String {
    let status = &seen.status;
    let mut parts = Vec::new();
    parts.extend(status.strategy.clone());
    if let Some(worker) = status.workers.first() {
        let workers = if status.workers.len() == 1 { "worker" } else { "workers" };
        parts.push(format!(
            "{} {workers}, batches of {}",
            status.workers.len(),
            count(worker.batch_rows.into())
        ));
    }
    if status.pass > 0 {
        parts.push(format!("closing sweep {}", status.pass));
    }
    if status.errors > 0 {
        parts.push(failed(status.errors));
    }
    parts.extend(obstacle(seen));
    let figures = figures(seen);
    let figures = figures.trim_start();
    if parts.is_empty() { figures.to_owned() } else { format!("{figures}\n  {}", parts.join(", ")) }
}

/// Why the job is paused or slow.
fn obstacle(seen: &ObservedJob) -> Option<String> {
    let version = seen.status.version;
    match &seen.status.throttle {
        _ if seen.status.is_paused() => {
            Some(format!("{WARN}paused{WARN:#}: continue with `cargo xtask backfill resume {version}`"))
        }
        Some(throttle) => Some(format!("{WARN}slowed{WARN:#}: {throttle}")),
        None => None,
    }
}

/// Renders text for the bar, without colours if they are turned off.
pub(crate) fn bar_text(text: &str) -> String {
    match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => crate::terminal::plain(text),
        _ => crate::terminal::render(text),
    }
}

/// Lines about state changes, and about the figures every few seconds.
pub(crate) struct Lines {
    printed: BTreeMap<Version, (String, Instant)>,
    strategies: BTreeMap<Version, String>,
    /// Whether this process works on the backfills, so that there is a worker.
    own: bool,
}

impl Lines {
    fn own() -> Lines {
        Lines { printed: BTreeMap::new(), strategies: BTreeMap::new(), own: true }
    }

    pub(crate) fn of_others() -> Lines {
        Lines { own: false, ..Lines::own() }
    }

    /// The lines to print now.
    pub(crate) fn changes(&mut self, all: &[ObservedJob]) -> Vec<String> {
        let mut lines = Vec::new();
        for seen in all {
            let version = seen.status.version;
            if let (Some(strategy), Some(reason)) = (&seen.status.strategy, &seen.status.reason)
                && seen.status.state == JobState::Running
                && self.strategies.insert(version, strategy.clone()).as_ref() != Some(strategy)
            {
                let name = &seen.status.name;
                lines.push(format!("{QUIET}{:<10}{QUIET:#}  {name}  {strategy}: {reason}", "started"));
            }
            let idle = !self.own && seen.is_runnable() && seen.sessions == 0;
            let key = format!("{} {idle}", state_key(seen));
            let due = self
                .printed
                .get(&version)
                .is_none_or(|(printed, at)| *printed != key || (seen.is_runnable() && at.elapsed() >= LINE));
            if due {
                self.printed.insert(version, (key, Instant::now()));
                lines.push(line(seen, idle));
            }
        }
        lines
    }
}

/// A key that changes when a new line is due.
fn state_key(seen: &ObservedJob) -> String {
    let status = &seen.status;
    // Ignore the figures in the reason, which change all the time.
    let throttle: String = status
        .throttle
        .iter()
        .flat_map(|text| text.chars())
        .filter(|c| !c.is_ascii_digit() && *c != '.')
        .collect();
    format!("{} {throttle} {} {} {:?}", state(status).0, status.errors > 0, status.pass, status.error)
}

fn line(seen: &ObservedJob, idle: bool) -> String {
    let (word, style) = state(&seen.status);
    let mut line = format!("{style}{word:<10}{style:#}  {}  {}", seen.status.name, figures(seen));
    let mut add = |text: String| {
        line.push_str("  ");
        line.push_str(&text);
    };
    if seen.status.pass > 0 && !seen.is_complete() {
        add(format!("closing sweep {}", seen.status.pass));
    }
    if seen.status.errors > 0 {
        add(failed(seen.status.errors));
    }
    if idle {
        add(format!("{WARN}no worker{WARN:#}"));
    } else if !seen.is_complete() {
        obstacle(seen).map(&mut add);
    }
    if let Some(error) = &seen.status.error {
        add(error.clone());
    }
    line
}
