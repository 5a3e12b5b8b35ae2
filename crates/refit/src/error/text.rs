//! The texts of errors: several reasons in lines, causes in one line, without secrets and control characters.

use std::time::Duration;

use refit_model::{nearest, redact, visible, visible_line};

use super::{Refusal, UndoRefusal};
use crate::environment_gate::EnvironmentGate;

/// Message, SQLSTATE, detail and hint of a driver error in one line; the driver's own Display prints only "db error". Secrets are
/// replaced and control characters escaped.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    let text = match error.as_db_error() {
        Some(db) => {
            let mut text = format!("{} (SQLSTATE {})", db.message(), db.code().code());
            if let Some(detail) = db.detail() {
                text.push_str(&format!("; detail: {}", redact::detail(db.code().code(), detail)));
            }
            if let Some(hint) = db.hint() {
                text.push_str(&format!("; hint: {hint}"));
            }
            text
        }
        None => chain(error),
    };
    shown(&text)
}

/// An error with its sources, separated by colons.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// A text of unknown origin for one line of an error or a log: secrets are replaced and control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    visible_line(&redact::text(text)).into_owned()
}

pub(super) fn refusals(refusals: &[Refusal]) -> String {
    let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    // Names come from the history.
    format!(
        "nothing was applied: the history does not match the migrations\n  {}",
        visible(&lines.join("\n  "))
    )
}

pub(super) fn gate_lines(gates: &[EnvironmentGate]) -> String {
    gates.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
}

pub(super) fn undo_refusals(refusals: &[UndoRefusal]) -> String {
    let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    format!("nothing was undone: some migrations cannot be undone\n  {}", visible(&lines.join("\n  ")))
}

pub(super) fn seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// That no check, or another `noun`, has that name, and which name is near.
pub(crate) fn unknown_name<'n>(noun: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let near = nearest(name, known).map_or(String::new(), |near| format!("; is `{near}` meant?"));
    format!("no {noun} is called `{name}`{near}")
}
