//! Rendering of the reports of runs.

mod difference;
mod run;

pub(crate) use difference::difference;
pub(crate) use run::{report, runs};

use std::time::Duration;

use refit::{RunOutcome, RunSummary};
use refit_model::wording::elapsed;

use super::sheet::Cell;
use crate::output::{BAD, Format, GOOD, WARN};

/// The formats of a report.
pub(crate) const FORMATS: &[Format] =
    &[Format::Human, Format::Text, Format::Json, Format::Markdown, Format::Html];

/// A duration in seconds, in words; a dash if it is unknown.
fn took(seconds: Option<f64>) -> String {
    match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(duration) => elapsed(duration),
        None => "–".to_owned(),
    }
}

/// A time of RFC 3339 without fractions of seconds.
fn to_seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

/// A word for what ended, by whether it went well.
fn outcome(word: &str) -> Cell {
    let style = match word {
        "succeeded" | "complete" | "passed" => GOOD,
        "failed" | "canceled" | "incomplete" => BAD,
        _ => WARN,
    };
    Cell::styled(word, style)
}

/// Whether a run applied or rolled back.
fn direction(run: &RunSummary) -> String {
    match run.undo_to {
        None => "apply".to_owned(),
        Some(0) => "roll back everything".to_owned(),
        Some(version) => format!("roll back to version {version}"),
    }
}

/// The title of a run.
fn title(run: &RunSummary) -> String {
    let outcome = match run.outcome {
        RunOutcome::Running => "is running, or its process was killed".to_owned(),
        other => other.to_string(),
    };
    format!("Run {} {outcome}", run.id)
}
