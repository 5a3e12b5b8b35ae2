//! Queries to git: which files changed, and which are on the main branch.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use xshell::{Shell, cmd};

/// A repository.
pub(crate) struct Git {
    shell: Shell,
    top: PathBuf,
    /// The option that needs git, for messages.
    option: &'static str,
}

impl Git {
    /// The repository that contains a folder. `option` names the option that needs it.
    ///
    /// # Errors
    /// When there is none, or git cannot be started.
    pub(crate) fn at(folder: &Path, option: &'static str) -> anyhow::Result<Git> {
        let shell = Shell::new()?;
        let is_folder = folder.is_dir();
        shell.change_dir(if is_folder { folder } else { Path::new(".") });
        let mut git = Git { shell, top: PathBuf::new(), option };
        let top = git
            .read(&["rev-parse", "--show-toplevel"])
            .with_context(|| format!("{option} needs a git repository"))?;
        git.top = fs::canonicalize(top.trim_end()).context("cannot read the git repository's folder")?;
        git.shell.change_dir(&git.top);
        Ok(git)
    }

    /// The files of the main branch, as paths from the top of the repository. The main branch is `origin/HEAD`, else `main` or
    /// `master` of origin, else the local ones. Empty in a repository without commits.
    ///
    /// # Errors
    /// When there are commits but no such branch.
    pub(crate) fn on_main(&self) -> anyhow::Result<HashSet<String>> {
        let branches = [
            "refs/remotes/origin/HEAD",
            "refs/remotes/origin/main",
            "refs/remotes/origin/master",
            "refs/heads/main",
            "refs/heads/master",
        ];
        let commit =
            |name: &str| self.read(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]).ok();
        let Some(main) = branches.iter().find_map(|branch| commit(branch)) else {
            match self.read(&["rev-list", "--all", "--max-count=1"])?.trim() {
                "" => return Ok(HashSet::new()),
                _ => bail!("{} needs a main branch: there is no origin/HEAD, main or master", self.option),
            }
        };
        let files = self.read(&["ls-tree", "-r", "--name-only", "-z", main.trim()])?;
        Ok(files.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
    }

    /// The path of a file from the top of the repository, if it is inside.
    pub(crate) fn path_of(&self, file: &Path) -> Option<String> {
        let parent = file.parent()?;
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let path = fs::canonicalize(parent).ok()?.join(file.file_name()?);
        Some(path.strip_prefix(&self.top).ok()?.to_string_lossy().replace('\\', "/"))
    }

    /// Runs git and returns its standard output.
    ///
    /// # Errors
    /// When it cannot be started, or fails.
    pub(crate) fn read(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(arguments, "")?).into_owned())
    }

    /// Like [`Git::read`], as bytes, with `input` on standard input.
    ///
    /// # Errors
    /// As [`Git::read`].
    pub(crate) fn bytes(&self, arguments: &[&str], input: &str) -> anyhow::Result<Vec<u8>> {
        let output = cmd!(self.shell, "git {arguments...}")
            .quiet()
            .stdin(input)
            .ignore_status()
            .output()
            .with_context(|| format!("cannot start git, which {} needs", self.option))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("git {}: {message}", arguments.first().copied().unwrap_or_default());
        }
        Ok(output.stdout)
    }
}
