//! Rendering of plans, rollback plans, and previews of backfills.

use refit::backfill::Preview;
use refit::{Line, Plan, RollbackPlan};

use crate::output::{BAD, QUIET, WARN};
use crate::terminal::Paint;

/// A plan.
pub(crate) fn plan(plan: &Plan) -> String {
    labelled(&plan.heading(), &plan.lines(), &plan.summary())
}

/// A rollback plan.
pub(crate) fn rollback_plan(plan: &RollbackPlan) -> String {
    labelled(&plan.heading(), &plan.lines(), &plan.summary())
}

/// The preview of a backfill.
pub(crate) fn preview(preview: &Preview) -> String {
    let mut text = format!("{}  {}", preview.name, preview.table);
    for line in preview.lines() {
        let style = if matches!(line.label, "refused" | "failed") { BAD } else { QUIET };
        text.push('\n');
        text.push_str(&labelled_line(&line, style, 8));
    }
    text
}

fn labelled(heading: &str, lines: &[Line], summary: &str) -> String {
    let style = |line: &Line| if line.label == "refused" { BAD } else { WARN };
    let lines: Vec<String> = lines.iter().map(|line| labelled_line(line, style(line), 7)).collect();
    [&[heading.to_owned()], &lines[..], &[summary.to_owned()]].concat().join("\n")
}

fn labelled_line(line: &Line, style: Paint, width: usize) -> String {
    let padding = " ".repeat(width.saturating_sub(line.label.len()));
    format!("  {style}{}{style:#}{padding}  {}", line.label, line.text)
}
