//! Backfills at work, as it happens: a bar on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use refit_model::Version;

use super::poller::{ObservedJob, StatusPoller};
use super::render::{figures, state};
use crate::output::{Output, QUIET, WAITS, say};
use crate::render::figures::{count, failed};

/// How often is looked.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// How often a line is written where nothing but figures has changed.
const LINE: Duration = Duration::from_secs(5);

/// What a person sees of the work, on standard error.
pub(crate) struct Live {
    out: Output,
    bar: ProgressBar,
    lines: Lines,
    /// Jobs of which nothing is to be said.
    old: Vec<i64>,
    /// What was seen last.
    pub(crate) seen: Vec<ObservedJob>,
}

impl Live {
    /// `old` are jobs of which nothing is to be said.
    pub(crate) fn new(out: Output, old: Vec<i64>) -> Live {
        let terminal = out.human() && std::io::stderr().is_terminal();
        let bar = if terminal { bar() } else { ProgressBar::hidden() };
        Live { out, bar, lines: Lines::own(), old, seen: Vec::new() }
    }

    /// What says a line without disturbing the bar.
    pub(crate) fn say(&self) -> impl Fn(String) + Send + Sync + 'static {
        let (bar, human) = (self.bar.clone(), self.out.human());
        move |text| {
            if human {
                bar.suspend(|| say(&text));
            }
        }
    }

    /// Shows how the work goes, until it is dropped.
    pub(crate) async fn show(&mut self, poller: &mut StatusPoller) -> std::convert::Infallible {
        let say = self.say();
        let mut away = false;
        loop {
            match poller.look().await {
                Ok(all) => {
                    away = false;
                    self.see(all);
                    self.draw(&say);
                }
                Err(error) if !away => {
                    away = true;
                    say(format!(
                        "{WAITS}the server does not answer{WAITS:#}: {}",
                        crate::output::told(&error)
                    ));
                }
                Err(_) => {}
            }
            tokio::time::sleep(TICK).await;
        }
    }

    pub(crate) fn see(&mut self, mut all: Vec<ObservedJob>) {
        all.retain(|seen| !self.old.contains(&seen.status.id));
        self.seen = all;
    }

    fn draw(&mut self, say: &impl Fn(String)) {
        if self.bar.is_hidden() {
            self.lines.news(&self.seen).into_iter().for_each(say);
            return;
        }
        let at_work = |seen: &&ObservedJob| {
            seen.status.state == refit::backfill::JobState::Running || seen.is_runnable()
        };
        let Some(seen) = self.seen.iter().find(at_work) else { return };
        self.bar.set_position(thousandths(seen.status.progress));
        self.bar.set_prefix(crate::terminal::plain(&seen.status.name));
        self.bar.set_message(plain(&beside_bar(seen)));
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

/// Figures behind the bar, and a second line of how it is done.
fn beside_bar(seen: &ObservedJob) -> String {
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

/// What keeps it from going on, or slows it down.
fn obstacle(seen: &ObservedJob) -> Option<String> {
    let version = seen.status.version;
    match &seen.status.throttle {
        _ if seen.status.is_paused() => {
            Some(format!("{WAITS}paused{WAITS:#}: continue with `cargo xtask backfill resume {version}`"))
        }
        Some(throttle) => Some(format!("{WAITS}slowed{WAITS:#}: {throttle}")),
        None => None,
    }
}

/// As the bar takes it: without colours, where the terminal's user wants none.
pub(crate) fn plain(text: &str) -> String {
    match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => crate::terminal::plain(text),
        _ => crate::terminal::render(text),
    }
}

/// Lines about what has changed, and about the figures every few seconds.
pub(crate) struct Lines {
    told: BTreeMap<Version, (String, Instant)>,
    strategies: BTreeMap<Version, String>,
    /// Whether this process itself works: then somebody does.
    own: bool,
}

impl Lines {
    fn own() -> Lines {
        Lines { told: BTreeMap::new(), strategies: BTreeMap::new(), own: true }
    }

    pub(crate) fn of_others() -> Lines {
        Lines { own: false, ..Lines::own() }
    }

    /// What is to be said now.
    pub(crate) fn news(&mut self, all: &[ObservedJob]) -> Vec<String> {
        let mut lines = Vec::new();
        for seen in all {
            let version = seen.status.version;
            if let (Some(strategy), Some(reason)) = (&seen.status.strategy, &seen.status.reason)
                && seen.status.state == refit::backfill::JobState::Running
                && self.strategies.insert(version, strategy.clone()).as_ref() != Some(strategy)
            {
                let name = &seen.status.name;
                lines.push(format!("{QUIET}{:<10}{QUIET:#}  {name}  {strategy}: {reason}", "begun"));
            }
            let alone = !self.own && seen.is_runnable() && seen.sessions == 0;
            let key = format!("{} {alone}", matter(seen));
            let due = self
                .told
                .get(&version)
                .is_none_or(|(told, at)| *told != key || (seen.is_runnable() && at.elapsed() >= LINE));
            if due {
                self.told.insert(version, (key, Instant::now()));
                lines.push(line(seen, alone));
            }
        }
        lines
    }
}

/// What is worth a line when it changes.
fn matter(seen: &ObservedJob) -> String {
    let status = &seen.status;
    // The figures in it change all the time.
    let throttle: String = status
        .throttle
        .iter()
        .flat_map(|text| text.chars())
        .filter(|c| !c.is_ascii_digit() && *c != '.')
        .collect();
    format!("{} {throttle} {} {} {:?}", state(status).0, status.errors > 0, status.pass, status.error)
}

fn line(seen: &ObservedJob, alone: bool) -> String {
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
    if alone {
        add(format!("{WAITS}no worker{WAITS:#}"));
    } else if !seen.is_complete() {
        obstacle(seen).map(&mut add);
    }
    if let Some(error) = &seen.status.error {
        add(error.clone());
    }
    line
}
