//! Progress of a run: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use refit::{Event, Migrator};

use crate::output::{GOOD, Output, QUIET, WARN};

/// Shows the events of the migrator's runs on standard error, unless the format is for programs.
pub(crate) fn with_progress(migrator: Migrator, out: Output) -> Migrator {
    if !out.human() {
        return migrator;
    }
    let bar = Arc::new(if std::io::stderr().is_terminal() { bar() } else { ProgressBar::hidden() });
    migrator.observe(move |event| show(&bar, event))
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn show(bar: &ProgressBar, event: &Event<'_>) {
    let say = |text: String| bar.suspend(|| crate::output::say(&text));
    match event {
        Event::Waiting { holder, .. } => say(format!("{WARN}waiting{WARN:#} for another run: {holder}")),
        Event::Began { steps } => bar.set_length(*steps as u64),
        Event::StepBegan { stem } => bar.set_message(crate::terminal::plain(stem)),
        Event::StepRetried { stem, attempts, blockers, .. } => {
            let by = if blockers.is_empty() { String::new() } else { format!(": {}", blockers.join("; ")) };
            say(format!("{WARN}blocked{WARN:#} {stem}, attempt {attempts}{by}"));
        }
        Event::StepApplied { report } => {
            bar.inc(1);
            say(format!(
                "{GOOD}applied{GOOD:#} {} ({:.1} ms)",
                report.stem,
                report.duration.as_secs_f64() * 1e3
            ));
        }
        // Warnings are printed with the result.
        Event::Notice { notice } if !notice.is_warning() => {
            say(format!("{QUIET}{:<7}{QUIET:#} {}", notice.severity.to_lowercase(), notice.message));
        }
        _ => {}
    }
}
