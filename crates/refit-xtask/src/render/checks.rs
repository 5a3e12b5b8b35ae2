//! Rendering of the results of checks.

use refit::{CheckResult, Verdict};
use refit_model::wording::{counted, elapsed};

use super::plan::labelled_line;
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::styled::{Style, Text, text};

/// A line for each check, with details of those that did not pass, and a summary.
pub(crate) fn checks(results: &[CheckResult]) -> Text {
    let mut lines = lines(results);
    let of = |verdict| results.iter().filter(|result| result.verdict == verdict).count();
    let mut outcome = format!("{}: {} passed", counted(results.len(), "check"), of(Verdict::Passed));
    for (verdict, word) in [(Verdict::Warned, "warned"), (Verdict::Failed, "failed")] {
        if of(verdict) > 0 {
            outcome.push_str(&format!(", {} {word}", of(verdict)));
        }
    }
    lines.push(outcome.into());
    Text::lines(lines)
}

/// A line for each check, with details of those that did not pass.
pub(crate) fn lines(results: &[CheckResult]) -> Vec<Text> {
    let mut lines: Vec<Text> = Vec::new();
    for result in results {
        let (word, style) = verdict(result.verdict);
        let place = QUIET.of(format!("{}:{}  {}", result.path, result.line, elapsed(result.duration)));
        lines.push(text!["  ", style.column(word, 6), format!("  {}  ", result.name), place]);
        lines.extend(result.lines().iter().map(|line| text!["  ", labelled_line(line, 6)]));
    }
    lines
}

fn verdict(verdict: Verdict) -> (&'static str, Style) {
    match verdict {
        Verdict::Passed => ("passed", GOOD),
        Verdict::Warned => ("warned", WARN),
        Verdict::Failed => ("failed", BAD),
    }
}
