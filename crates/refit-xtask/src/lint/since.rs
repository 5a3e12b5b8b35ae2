//! `--since REF`: reports only findings in changed files, but replays all files.

use std::collections::HashSet;
use std::path::PathBuf;

use super::sources::Sources;
use crate::git::Git;

/// Marks files as not reported if they have not changed since the merge base with `reference`.
///
/// Uncommitted and untracked files count as changed, and so does a migration with a changed companion file.
///
/// # Errors
/// When there is no git repository or no such commit.
pub(crate) fn report_changed(sources: &mut Sources, reference: &str) -> anyhow::Result<()> {
    let git = Git::at(&sources.folder, "--since")?;
    let changed = changed_since(&git, reference)?;
    let is_changed = |file: &Option<PathBuf>| match file.as_deref().and_then(|file| git.path_of(file)) {
        Some(path) => changed.contains(&migration_of(&path)),
        // Standard input and files outside the repository have no known history.
        None => true,
    };
    for (input, file) in sources.inputs.iter_mut().zip(&sources.files) {
        input.reported = is_changed(file);
    }
    Ok(())
}

/// Changed migrations, as paths from the top of the repository; a companion file counts as its migration.
fn changed_since(git: &Git, reference: &str) -> anyhow::Result<HashSet<String>> {
    let base = git.since(reference)?.base;
    let changed = git.read(&["diff", "--name-only", "--no-renames", "-z", &base, "--"])?;
    let new = git.read(&["ls-files", "--others", "--exclude-standard", "-z"])?;
    Ok(changed.split('\0').chain(new.split('\0')).map(migration_of).collect())
}

fn migration_of(path: &str) -> String {
    let stem =
        [".down.sql", ".check.sql", ".budget.sql", ".md"].iter().find_map(|suffix| path.strip_suffix(suffix));
    stem.map_or_else(|| path.to_owned(), |stem| format!("{stem}.sql"))
}
