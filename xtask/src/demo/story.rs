//! What is told while the demo plays: one line an event, with the seconds since it began. For people it is printed
//! at once, with bars and spinners on terminals only; otherwise it is kept for the JSON report.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::Report;

/// One event.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Event {
    /// Seconds since the clock was started.
    pub(crate) at_seconds: f64,
    /// What happened.
    pub(crate) event: String,
}

/// The teller.
pub(crate) struct Story {
    human: bool,
    start: Instant,
    events: Vec<Event>,
}

impl Story {
    /// Tells people, or keeps everything for JSON.
    pub(crate) fn new(human: bool) -> Story {
        Story { human, start: Instant::now(), events: Vec::new() }
    }

    /// Time counts from here; what was before is building.
    pub(crate) fn start_clock(&mut self) {
        self.start = Instant::now();
    }

    /// Tells one event.
    pub(crate) fn say(&mut self, event: String) {
        let at_seconds = (self.start.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        if self.human {
            let dim = anstyle::Style::new().dimmed();
            // Whoever reads us may have seen enough; the demo goes on to its verdict.
            let _ = writeln!(anstream::stdout(), "{dim}{at_seconds:>7.2} s{dim:#}  {event}");
        }
        self.events.push(Event { at_seconds, event });
    }

    /// Waits, with a spinner.
    pub(crate) async fn wait(&self, what: &str, duration: Duration) {
        let spinner = self.spinner(what);
        tokio::time::sleep(duration).await;
        spinner.finish_and_clear();
    }

    /// A spinner; hidden unless people watch on a terminal.
    pub(crate) fn spinner(&self, what: &str) -> ProgressBar {
        let spinner = ProgressBar::with_draw_target(None, self.target()).with_message(what.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    }

    /// A bar up to `length`; hidden unless people watch on a terminal.
    pub(crate) fn bar(&self, length: u64, unit: &str) -> ProgressBar {
        let template = format!("{{bar:40}} {{human_pos}} of {{human_len}} {unit}, {{eta}} left");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(length), self.target()).with_style(style)
    }

    /// What was told so far.
    pub(crate) fn timeline(&self) -> Vec<Event> {
        self.events.clone()
    }

    /// Prints the report.
    pub(crate) fn end(&self, report: &Report) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        match self.human {
            true => write!(out, "{report}")?,
            false => writeln!(out, "{}", serde_json::to_string_pretty(&report.to_json())?)?,
        }
        Ok(out.flush()?)
    }

    fn target(&self) -> ProgressDrawTarget {
        // indicatif hides it by itself where standard error is no terminal.
        if self.human { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
    }
}
