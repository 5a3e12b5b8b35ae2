//! Rendering of differences: unified diffs and schema deltas.

use crate::output::{BAD, GOOD, QUIET, WARN};

/// A unified diff or a delta, with coloured lines.
pub(crate) fn styled(diff: &str) -> String {
    let line = |line: &str| match line.as_bytes().first() {
        Some(b'+') => format!("{GOOD}{line}{GOOD:#}\n"),
        Some(b'-') => format!("{BAD}{line}{BAD:#}\n"),
        Some(b'~') => format!("{WARN}{line}{WARN:#}\n"),
        Some(b'@') => format!("{QUIET}{line}{QUIET:#}\n"),
        _ => format!("{line}\n"),
    };
    diff.lines().map(line).collect()
}
