//! Rendering of plans and rollback plans.

use refit::{Line, LineKind, Plan, RollbackPlan};

use crate::output::{BAD, QUIET, WARN};
use crate::styled::{Text, text};

/// A plan.
pub(crate) fn plan(plan: &Plan) -> Text {
    labelled(plan.heading(), &plan.lines(), plan.summary())
}

/// A rollback plan.
pub(crate) fn rollback_plan(plan: &RollbackPlan) -> Text {
    labelled(plan.heading(), &plan.lines(), plan.summary())
}

fn labelled(heading: String, lines: &[Line], summary: String) -> Text {
    let lines = lines.iter().map(|line| labelled_line(line, 7));
    Text::lines(std::iter::once(heading.into()).chain(lines).chain([summary.into()]))
}

/// A line with its label in a column.
pub(super) fn labelled_line(line: &Line, width: usize) -> Text {
    let style = match line.kind {
        LineKind::Problem => BAD,
        LineKind::Work => WARN,
        _ => QUIET,
    };
    text!["  ", style.column(line.label, width), "  ", &line.text]
}
