//! Rendering of differences: of schemas, and of texts as unified diffs.

use refit_catalog::{Delta, Verb};
use refit_rehearsal::SNAPSHOTS;
use similar::{ChangeTag, TextDiff};

use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::styled::{Style, Text, text};

/// The changes of a schema, each on lines of its own, without a final newline.
pub(crate) fn delta(delta: &Delta) -> Text {
    let change = |change: &refit_catalog::Change| {
        let text = change.text();
        let text = text.trim_end_matches('\n');
        match change.verb {
            Verb::Added => every_line(GOOD, text),
            Verb::Removed => every_line(BAD, text),
            // The lines below the first compare the old and the new value.
            Verb::Changed | Verb::Moved => match text.split_once('\n') {
                Some((first, rest)) => text![WARN.of(first), "\n", rest],
                None => WARN.of(text),
            },
        }
    };
    Text::lines(delta.changes.iter().map(change))
}

fn every_line(style: Style, text: &str) -> Text {
    Text::lines(text.lines().map(|line| style.of(line)))
}

/// A unified diff of two texts, without a final newline. `names` are those of the texts, `context` is the number of unchanged
/// lines around a change, and `shown` is applied to each line.
pub(crate) fn unified(
    diff: &TextDiff<'_, '_, str>,
    names: [&str; 2],
    context: usize,
    shown: impl Fn(&str) -> String,
) -> Text {
    let mut lines: Vec<Text> = Vec::new();
    for hunk in diff.unified_diff().context_radius(context).iter_hunks() {
        if lines.is_empty() {
            lines.push(BAD.of(shown(&format!("--- {}", names[0]))));
            lines.push(GOOD.of(shown(&format!("+++ {}", names[1]))));
        }
        lines.push(QUIET.of(hunk.header()));
        for change in hunk.iter_changes() {
            let value = change.value().trim_end_matches(['\n', '\r']);
            let line = shown(&format!("{}{value}", change.tag()));
            lines.push(match change.tag() {
                ChangeTag::Insert => GOOD.of(line),
                ChangeTag::Delete => BAD.of(line),
                ChangeTag::Equal => line.into(),
            });
            if change.missing_newline() {
                lines.push("\\ No newline at end of file".into());
            }
        }
    }
    Text::lines(lines)
}

/// A unified diff of a snapshot file.
pub(crate) fn of_file(file: &str, old: &str, new: &str) -> Text {
    let name = |side: &str| format!("{side}/{SNAPSHOTS}/{file}");
    unified(&TextDiff::from_lines(old, new), [&name("a"), &name("b")], 3, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unified_diff_is_that_of_the_library() {
        let (old, new) = ("a\nb\nc\nd\ne\nf\ng\nh\n", "a\nB\nc\nd\ne\nf\ng\nh\ni");
        let diff = TextDiff::from_lines(old, new);
        let text = unified(&diff, ["old", "new"], 1, str::to_owned);
        let library = diff.unified_diff().context_radius(1).header("old", "new").to_string();
        assert_eq!(crate::terminal::plain(&text), library.trim_end());
    }
}
