//! Rendering of a draft.

use refit_rehearsal::rows::Outcome;

use crate::drafts::Draft;
use crate::output::{BAD, GOOD, WARN};
use crate::styled::{Text, text};

/// The summary, the files, what becomes of rows, and what is left to do. `files` are paths for people.
pub(crate) fn draft(draft: &Draft, files: &[String]) -> Text {
    let mut lines = vec![text![draft.summary.as_str()]];
    lines.extend(files.iter().map(|file| text![GOOD.of("new"), format!("  {file}")]));
    let survival = draft.survival.iter().map(|one| {
        let (style, words) = match one.outcome {
            Outcome::Same => (GOOD, "rows survive"),
            Outcome::WithoutColumns => (WARN, "rows survive, without the values of dropped columns"),
            Outcome::SameNumber => (WARN, "rows survive, some values differ"),
            Outcome::OtherNumber => (BAD, "some rows are lost"),
            Outcome::Emptied => (BAD, "all rows are lost"),
            Outcome::Dropped => (BAD, "dropped with its rows"),
        };
        text!["  ", style.of(words), format!(": {}", one.table)]
    });
    lines.extend(survival);
    for (title, found) in [
        ("made-up rows do not fit; do yours?", &draft.unfit),
        ("the down files do not restore:", &draft.not_undone),
    ] {
        if !found.is_empty() {
            lines.push(title.into());
            lines.extend(found.iter().map(|line| text!["  ", WARN.of(line.as_str())]));
        }
    }
    if !draft.findings.is_empty() {
        lines.push("the linter says of the files:".into());
        lines.extend(draft.findings.iter().map(|line| text!["  ", WARN.of(line.as_str())]));
    }
    if !draft.not_drafted.is_empty() {
        lines.push("not drafted; write it by hand:".into());
        lines.extend(draft.not_drafted.iter().map(|line| text!["  ", BAD.of(line.as_str())]));
    }
    Text::lines(lines)
}
