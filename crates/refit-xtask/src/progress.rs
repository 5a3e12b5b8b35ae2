//! Progress of a run: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use refit::{Event, Migrator, Verdict};
use refit_model::wording::elapsed;

use crate::output::{GOOD, Output, QUIET, WARN};
use crate::styled::{Text, text};

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
    let say = |text: Text| bar.suspend(|| crate::output::say(&text));
    match event {
        Event::Waiting { holder, .. } => {
            say(text![WARN.of("waiting"), format!(" for another run: {holder}")]);
        }
        Event::Began { steps } => bar.set_length(*steps as u64),
        Event::StepBegan { stem } => bar.set_message(crate::terminal::plain(&(*stem).into())),
        Event::StepRetried { stem, attempts, blockers, .. } => {
            let by = if blockers.is_empty() { String::new() } else { format!(": {}", blockers.join("; ")) };
            say(text![WARN.of("blocked"), format!(" {stem}, attempt {attempts}{by}")]);
        }
        Event::StepApplied { report } => {
            bar.inc(1);
            say(text![GOOD.of("applied"), format!(" {} ({})", report.stem, elapsed(report.duration))]);
        }
        Event::Checked { result } if result.verdict != Verdict::Failed => {
            say(text![GOOD.of("checked"), format!(" {} ({})", result.name, elapsed(result.duration))]);
        }
        Event::Notice { notice, stem } => {
            let style = if notice.is_warning() { WARN } else { QUIET };
            let severity = style.column(notice.severity.to_lowercase(), 7);
            let of = stem.map_or(String::new(), |stem| format!(" {stem}:"));
            say(text![severity, format!("{of} {}", notice.message)]);
        }
        _ => {}
    }
}
