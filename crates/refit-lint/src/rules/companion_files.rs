//! What the rules about missing companion files share.

use crate::check::FileCheck;

/// Reports a versioned migration without the companion file that has a given suffix. A file that is linted by itself has
/// no companion files to look for.
pub(super) fn ask_for(check: &mut FileCheck<'_>, suffix: &str, message: &str, help: &str) {
    if check.file.version.is_none() {
        return;
    }
    let path = &check.file.path;
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.trim_end_matches(".sql");
    if !check.companions.get(stem).is_some_and(|suffixes| suffixes.contains(&suffix)) {
        check.report(message).help(help);
    }
}
