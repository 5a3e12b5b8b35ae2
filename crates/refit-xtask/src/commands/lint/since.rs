//! `--since REF`: only what changed is reported; all of it is replayed.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use xshell::{Shell, cmd};

use super::sources::Sources;

/// Takes the wish for findings from every file that did not change since the merge base with `reference`.
///
/// What is not committed yet and what git does not know yet has changed; so has a migration whose sidecar has.
///
/// # Errors
/// When this is no git repository, or it has no such commit.
pub(in crate::commands) fn report_changed(sources: &mut Sources, reference: &str) -> anyhow::Result<()> {
    let git = Git::at(&sources.folder)?;
    let changed = git.changed_since(reference)?;
    let is_changed = |file: &Option<PathBuf>| match file.as_deref().and_then(|file| git.path_of(file)) {
        Some(path) => changed.contains(&migration_of(&path)),
        // Standard input, and files outside of the repository: nobody knows their past.
        None => true,
    };
    for (input, file) in sources.inputs.iter_mut().zip(&sources.files) {
        input.reported = is_changed(file);
    }
    Ok(())
}

struct Git {
    shell: Shell,
    top: PathBuf,
}

impl Git {
    fn at(folder: &Path) -> anyhow::Result<Git> {
        let shell = Shell::new()?;
        let is_folder = folder.is_dir();
        shell.change_dir(if is_folder { folder } else { Path::new(".") });
        let mut git = Git { shell, top: PathBuf::new() };
        let top = git.read(&["rev-parse", "--show-toplevel"]).context("--since needs a git repository")?;
        git.top = fs::canonicalize(top.trim_end()).context("the git repository's folder cannot be read")?;
        git.shell.change_dir(&git.top);
        Ok(git)
    }

    /// Paths from the top of the repository; a sidecar stands for its migration.
    fn changed_since(&self, reference: &str) -> anyhow::Result<HashSet<String>> {
        let unknown = || format!("--since {reference}: git knows no such commit, branch or tag");
        if reference.starts_with('-') || reference.is_empty() {
            bail!(unknown());
        }
        let commit = format!("{reference}^{{commit}}");
        let commit = self.read(&["rev-parse", "--verify", &commit]).with_context(unknown)?;
        let base = self.read(&["merge-base", commit.trim(), "HEAD"]).with_context(|| {
            format!("--since {reference}: no commit that it shares with HEAD; a shallow clone must fetch more of its history")
        })?;
        let changed = self.read(&["diff", "--name-only", "--no-renames", "-z", base.trim(), "--"])?;
        let new = self.read(&["ls-files", "--others", "--exclude-standard", "-z"])?;
        Ok(changed.split('\0').chain(new.split('\0')).map(migration_of).collect())
    }

    /// The path of a file from the top of the repository, if it lies in it.
    fn path_of(&self, file: &Path) -> Option<String> {
        let parent = fs::canonicalize(file.parent().filter(|parent| !parent.as_os_str().is_empty())?).ok()?;
        let path = parent.join(file.file_name()?);
        Some(path.strip_prefix(&self.top).ok()?.to_string_lossy().replace('\\', "/"))
    }

    fn read(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = cmd!(self.shell, "git {arguments...}")
            .quiet()
            .ignore_status()
            .output()
            .context("git cannot be started; --since asks it what changed")?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("git {}: {words}", arguments.first().copied().unwrap_or_default());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn migration_of(path: &str) -> String {
    let stem = [".down.sql", ".check.sql", ".md"].iter().find_map(|suffix| path.strip_suffix(suffix));
    stem.map_or_else(|| path.to_owned(), |stem| format!("{stem}.sql"))
}
