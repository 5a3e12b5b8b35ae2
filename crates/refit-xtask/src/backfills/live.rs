//! Live progress of backfills: a bar on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use refit::backfill::JobState;
use refit_model::{Strategy, Version};

use super::poller::{ObservedJob, StatusPoller};
use crate::output::{Output, WARN, say};
use crate::render::backfill::{beside_bar, line, started, state};
use crate::styled::{Text, text};

/// Interval between polls.
pub(super) const TICK: Duration = Duration::from_secs(1);
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
    pub(crate) fn say(&self) -> impl Fn(Text) + Send + Sync + 'static {
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
                    say(unreachable(&error));
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

    fn draw(&mut self, say: &impl Fn(Text)) {
        if self.bar.is_hidden() {
            self.lines.changes(&self.jobs).into_iter().for_each(say);
            return;
        }
        let is_active = |seen: &&ObservedJob| seen.status.state == JobState::Running || seen.is_runnable();
        let Some(seen) = self.jobs.iter().find(is_active) else { return };
        self.bar.set_position(thousandths(seen.status.progress));
        self.bar.set_prefix(crate::terminal::plain(&seen.status.name.as_str().into()));
        self.bar.set_message(bar_text(&beside_bar(seen)));
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

/// A note that the server did not answer.
pub(super) fn unreachable(error: &anyhow::Error) -> Text {
    text![WARN.of("cannot reach the server"), ": ", crate::output::error_text(error)]
}

/// Renders text for the bar, without colours if they are turned off.
fn bar_text(text: &Text) -> String {
    match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => crate::terminal::plain(text),
        _ => crate::terminal::render(text),
    }
}

/// Lines about state changes, and about the figures every few seconds.
pub(super) struct Lines {
    printed: BTreeMap<Version, (String, Instant)>,
    strategies: BTreeMap<Version, Strategy>,
    /// Whether this process works on the backfills, so that there is a worker.
    own: bool,
}

impl Lines {
    fn own() -> Lines {
        Lines { printed: BTreeMap::new(), strategies: BTreeMap::new(), own: true }
    }

    pub(super) fn of_others() -> Lines {
        Lines { own: false, ..Lines::own() }
    }

    /// The lines to print now.
    pub(super) fn changes(&mut self, all: &[ObservedJob]) -> Vec<Text> {
        let mut lines = Vec::new();
        for seen in all {
            let version = seen.status.version;
            if let (Some(strategy), Some(reason)) = (seen.status.strategy, &seen.status.reason)
                && seen.status.state == JobState::Running
                && self.strategies.insert(version, strategy) != Some(strategy)
            {
                lines.push(started(&seen.status, strategy.as_str(), reason));
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
