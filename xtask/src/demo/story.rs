//! The timeline of the demo: one line per event, with the seconds since the start. For people it is printed at once, with
//! bars and spinners on terminals; otherwise it is collected for the JSON report.

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

/// Prints or collects the events.
pub(crate) struct Story {
    human: bool,
    start: Instant,
    events: Vec<Event>,
}

impl Story {
    /// Creates a timeline: printed for people, or only collected for JSON.
    pub(crate) fn new(human: bool) -> Story {
        Story { human, start: Instant::now(), events: Vec::new() }
    }

    /// Starts the clock, after the build.
    pub(crate) fn start_clock(&mut self) {
        self.start = Instant::now();
    }

    /// Adds an event.
    pub(crate) fn say(&mut self, event: String) {
        let at_seconds = (self.start.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        if self.human {
            let dim = anstyle::Style::new().dimmed();
            // Ignore a closed pipe: the demo continues to its verdict.
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

    /// A spinner, visible only on a terminal.
    pub(crate) fn spinner(&self, what: &str) -> ProgressBar {
        let spinner = ProgressBar::with_draw_target(None, self.target()).with_message(what.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    }

    /// A bar up to `length`, visible only on a terminal.
    pub(crate) fn bar(&self, length: u64, unit: &str) -> ProgressBar {
        let template = format!("{{bar:40}} {{human_pos}} of {{human_len}} {unit}, {{eta}} left");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(length), self.target()).with_style(style)
    }

    /// The events so far.
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
        // indicatif hides it if standard error is not a terminal.
        if self.human { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
    }
}
