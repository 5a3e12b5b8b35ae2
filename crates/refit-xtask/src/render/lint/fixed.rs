//! Rendering of fixes: for people, and as a part of the JSON document.

use annotate_snippets::normalize_untrusted_str;
use refit_lint::{Change, Fixed};
use refit_model::redact;
use serde::Serialize;
use similar::TextDiff;

use super::counted;
use crate::lint::fix::{FixOutcome, split};
use crate::output::{GOOD, QUIET, WARN};
use crate::render::difference::unified;
use crate::styled::{Text, text};

/// For people: the diff, the fixed findings, and the remaining ones.
pub(super) fn human(outcome: &FixOutcome) -> Text {
    let Fixed { changes, fixes, left, .. } = &outcome.fixed;
    let mut lines: Vec<Text> = changes.iter().flat_map(difference).collect();
    if !changes.is_empty() {
        lines.push(Text::default());
    }
    let done = if outcome.written { "fixed" } else { "would fix" };
    for fix in fixes {
        let names: Vec<&str> = fix.files.iter().map(|path| split(path).1).collect();
        lines.push(text![GOOD.of(done), format!(": {}: {}", plain(&fix.path), fix.rules.join(", "))]);
        lines.push(format!("  {}", plain(&names.join(", "))).into());
        let note = |note: &String| text!["  ", WARN.of("note"), ": ", plain(note)];
        lines.extend(fix.notes.iter().map(note));
    }
    for (finding, reason) in left {
        let (path, line, rule) = (plain(&finding.path), finding.start.line, finding.rule);
        lines.push(text![QUIET.of("left"), format!(": {path}:{line}: {rule}: {}", plain(reason))]);
    }
    let files = counted(changes.len(), "file");
    lines.push(match (changes.is_empty(), outcome.written) {
        (true, _) => "nothing to fix\n\n".into(),
        (false, true) => format!("{files} written\n\n").into(),
        (false, false) => format!("{files} would be written without --dry-run\n\n").into(),
    });
    Text::lines(lines)
}

/// A file's diff, in the format of `git apply` and `patch`.
fn difference(change: &Change) -> Vec<Text> {
    let (before, after) = (String::from_utf8_lossy(&change.before), String::from_utf8_lossy(&change.after));
    let mut lines = Vec::new();
    if let Some(from) = change.from.as_deref().filter(|from| *from != change.to) {
        lines.push(format!("rename from {}", plain(from)).into());
        lines.push(format!("rename to {}", plain(&change.to)).into());
    }
    let from = change.from.as_ref().map_or("/dev/null".to_owned(), |from| format!("a/{from}"));
    let to = format!("b/{}", change.to);
    let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
    // Text from a file must not control the terminal.
    let diff = unified(&diff, [&from, &to], 3, |line| plain(&redact::text(line)));
    if !diff.is_empty() {
        lines.push(diff);
    }
    lines
}

fn plain(text: &str) -> String {
    normalize_untrusted_str(text)
}

/// The part of the JSON document about fixes.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    written: bool,
    fixes: Vec<FixEntry<'a>>,
    changes: Vec<ChangeEntry<'a>>,
    unfixed: Vec<Unfixed<'a>>,
}

#[derive(Serialize)]
struct FixEntry<'a> {
    path: &'a str,
    rules: &'a [&'static str],
    files: &'a [String],
    notes: &'a [String],
}

#[derive(Serialize)]
struct ChangeEntry<'a> {
    from: Option<&'a str>,
    to: &'a str,
    text: String,
}

#[derive(Serialize)]
struct Unfixed<'a> {
    rule: &'a str,
    path: &'a str,
    line: usize,
    column: usize,
    reason: &'a str,
}

pub(super) fn document(fixed: &FixOutcome) -> Document<'_> {
    let Fixed { changes, fixes, left, .. } = &fixed.fixed;
    Document {
        written: fixed.written,
        fixes: fixes
            .iter()
            .map(|fix| FixEntry { path: &fix.path, rules: &fix.rules, files: &fix.files, notes: &fix.notes })
            .collect(),
        changes: changes
            .iter()
            .map(|change| ChangeEntry {
                from: change.from.as_deref(),
                to: &change.to,
                text: String::from_utf8_lossy(&change.after).into_owned(),
            })
            .collect(),
        unfixed: left
            .iter()
            .map(|(finding, reason)| Unfixed {
                rule: finding.rule,
                path: &finding.path,
                line: finding.start.line,
                column: finding.start.column,
                reason,
            })
            .collect(),
    }
}
