//! Rendering of previews of backfills.

use refit::backfill::Preview;

use super::plan::labelled_line;
use crate::backfills::Previews;
use crate::output::QUIET;
use crate::styled::{Text, text};

/// All previews, and which migration to apply first where one may be missing.
pub(crate) fn previews(previews: &Previews) -> Text {
    if previews.backfills.is_empty() {
        return "no backfill is unfinished or pending".into();
    }
    let block = |preview: &Preview| {
        let mut block = one(preview);
        let is_pending = previews.pending.contains(&preview.version);
        if let (Some(_), Some(first), true) = (&preview.refused, &previews.first_pending, is_pending) {
            let version = preview.version;
            block.push(text![
                "\n  ",
                QUIET.of(format!(
                    "{first} is pending; if the backfill needs it, apply it with \
                     `cargo xtask migrate --to {version} --backfills hold`"
                ))
            ]);
        }
        block
    };
    let rolled_back = QUIET.of("all changes were rolled back");
    Text::lines(previews.backfills.iter().map(block).chain([rolled_back]))
}

fn one(preview: &Preview) -> Text {
    let heading = format!("{}  {}", preview.name, preview.table);
    let lines = preview.lines();
    let lines = lines.iter().map(|line| labelled_line(line, 8));
    Text::lines(std::iter::once(Text::from(heading)).chain(lines))
}
