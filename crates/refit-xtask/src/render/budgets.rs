//! Rendering of what was measured for budgets.

use refit::{BudgetResult, Measurement};
use refit_model::wording::{counted, measured};

use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::styled::{Style, Text, text};

/// A line for each budget with its figures, and a summary.
pub(crate) fn budgets(results: &[BudgetResult]) -> Text {
    let mut lines = lines(results);
    let over = results.iter().filter(|result| result.is_over()).count();
    lines.push(format!("{}: {} over", counted(results.len(), "budget"), over).into());
    Text::lines(lines)
}

/// Whether a query is within its budget, and how that is shown.
pub(super) fn verdict(result: &BudgetResult) -> (&'static str, Style) {
    match (result.is_over(), result.limit) {
        (true, _) => ("over", BAD),
        (false, Some(_)) => ("within", GOOD),
        (false, None) => ("measured", QUIET),
    }
}

/// A line for each budget with its figures, now and before the run.
pub(crate) fn lines(results: &[BudgetResult]) -> Vec<Text> {
    let mut lines: Vec<Text> = Vec::new();
    for result in results {
        let (word, style) = verdict(result);
        let place = QUIET.of(format!("{}:{}", result.path, result.line));
        lines.push(text!["  ", style.column(word, 8), format!("  {}  ", result.name), place]);
        if let Some(error) = &result.error {
            lines.push(text!["    ", BAD.of("error"), format!("  {error}")]);
        }
        if let Some(before) = &result.before {
            lines.push(format!("    before  {}", figures(before)).into());
        }
        if let Some(after) = &result.after {
            let label = if result.before.is_some() { "after   " } else { "" };
            let limit = result.limit.map_or(String::new(), |limit| format!(", allowed {}", measured(limit)));
            lines.push(format!("    {label}{}{limit}", figures(after)).into());
        }
        if result.has_other_plan() {
            lines.push(text!["    ", WARN.of("the plan changed")]);
        }
    }
    lines
}

fn figures(measurement: &Measurement) -> String {
    let Measurement { median, p95, rows, runs, .. } = measurement;
    let rows = counted(usize::try_from(*rows).unwrap_or(usize::MAX), "row");
    format!(
        "median {}, 95 % within {}, {rows} in {}",
        measured(*median),
        measured(*p95),
        counted(*runs as usize, "execution")
    )
}
