//! Rendering of a renumbering.

use crate::branch::renumber::Renumbering;
use crate::output::{GOOD, QUIET};
use crate::styled::{Text, text};

/// The new names, the files whose text changes, and what remains to be done.
pub(crate) fn renumbering(plan: &Renumbering) -> Text {
    let width = plan.renamed.iter().map(|file| file.from.chars().count()).max().unwrap_or_default();
    let renamed = plan.renamed.iter().map(|file| {
        let from = format!("{:width$}", file.from);
        text!["  ", from, QUIET.of(" → "), GOOD.of(&file.to)]
    });
    let changed = plan.changed.iter().map(|file| text!["  ", file, QUIET.of(": its references change")]);
    Text::lines(renamed.chain(changed))
}
