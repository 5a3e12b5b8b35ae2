//! Plans, of both directions, and previews of backfills: labelled lines in colour.

use refit::backfill::Preview;
use refit::{Line, Plan, RollbackPlan};

use crate::output::{BAD, QUIET, WAITS};
use crate::terminal::Paint;

/// What would run.
pub(crate) fn plan(plan: &Plan) -> String {
    labelled(&plan.heading(), &plan.lines(), &plan.summary())
}

/// What would be undone.
pub(crate) fn rollback_plan(plan: &RollbackPlan) -> String {
    labelled(&plan.heading(), &plan.lines(), &plan.summary())
}

/// What a backfill would do.
pub(crate) fn preview(preview: &Preview) -> String {
    let mut text = format!("{}  {}", preview.name, preview.table);
    for line in preview.lines() {
        let style = if matches!(line.label, "refused" | "failed") { BAD } else { QUIET };
        text.push('\n');
        text.push_str(&one(&line, style, 8));
    }
    text
}

fn labelled(heading: &str, lines: &[Line], summary: &str) -> String {
    let style = |line: &Line| if line.label == "refused" { BAD } else { WAITS };
    let lines: Vec<String> = lines.iter().map(|line| one(line, style(line), 7)).collect();
    [&[heading.to_owned()], &lines[..], &[summary.to_owned()]].concat().join("\n")
}

fn one(line: &Line, style: Paint, width: usize) -> String {
    let padding = " ".repeat(width.saturating_sub(line.label.len()));
    format!("  {style}{}{style:#}{padding}  {}", line.label, line.text)
}
