//! What the rules about missing companion files share.

use crate::check::FileCheck;

/// Reports a versioned migration without the companion file that has a given suffix. A file that is linted by itself has
/// no companion files to look for.
pub(super) fn ask_for(check: &mut FileCheck<'_>, suffix: &str, message: &str, help: &str) {
    if found(check).is_some_and(|suffixes| !suffixes.contains(&suffix)) {
        check.report(message).help(help);
    }
}

/// What the companion files of a versioned migration are; none for another file.
pub(super) fn found<'a>(check: &FileCheck<'a>) -> Option<&'a [&'static str]> {
    check.file.version?;
    let path = &check.file.path;
    let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".sql");
    Some(check.companions.get(stem).map_or(&[], Vec::as_slice))
}
