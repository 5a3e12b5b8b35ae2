//! What the rules about missing sidecars share.

use crate::check::FileCheck;

/// Reports a versioned migration that has no sidecar of a suffix. Only names of a folder are asked: a file that is linted
/// by itself has nothing beside it.
pub(super) fn ask_for(check: &mut FileCheck<'_>, suffix: &str, message: &str, help: &str) {
    if check.file.version.is_none() {
        return;
    }
    let path = &check.file.path;
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.trim_end_matches(".sql");
    if !check.sidecars.get(stem).is_some_and(|suffixes| suffixes.contains(&suffix)) {
        check.report(message).help(help);
    }
}
