//! Queries to git: which files changed, which are on the main branch, and their contents at a commit.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use refit_model::SourceFile;
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

    /// The files of the main branch, as paths from the top of the repository. Empty in a repository without commits.
    ///
    /// # Errors
    /// When there are commits but no main branch.
    pub(crate) fn on_main(&self) -> anyhow::Result<HashSet<String>> {
        let Some((_, main)) = self.main()? else { return Ok(HashSet::new()) };
        let files = self.read(&["ls-tree", "-r", "--full-tree", "--name-only", "-z", &main])?;
        Ok(files.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
    }

    /// The main branch and its commit: `origin/HEAD`, else `main` or `master` of origin, else the local ones. None in a
    /// repository without commits.
    ///
    /// # Errors
    /// When there are commits but no such branch.
    pub(crate) fn main(&self) -> anyhow::Result<Option<(&'static str, String)>> {
        let branches = [
            ("origin/HEAD", "refs/remotes/origin/HEAD"),
            ("origin/main", "refs/remotes/origin/main"),
            ("origin/master", "refs/remotes/origin/master"),
            ("main", "refs/heads/main"),
            ("master", "refs/heads/master"),
        ];
        let commit =
            |name: &str| self.read(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]).ok();
        let found = branches.iter().find_map(|(name, branch)| Some((*name, commit(branch)?)));
        if let Some((name, commit)) = found {
            return Ok(Some((name, commit.trim().to_owned())));
        }
        match self.read(&["rev-list", "--all", "--max-count=1"])?.trim() {
            "" => Ok(None),
            _ => bail!("{} needs a main branch: there is no origin/HEAD, main or master", self.option),
        }
    }

    /// The commit that `--since` names, and its merge base with HEAD.
    ///
    /// # Errors
    /// When there is no such commit, or it has no common ancestor with HEAD.
    pub(crate) fn since(&self, reference: &str) -> anyhow::Result<Since> {
        let unknown = || format!("--since {reference}: no such commit, branch or tag");
        if reference.starts_with('-') || reference.is_empty() {
            bail!(unknown());
        }
        let commit = format!("{reference}^{{commit}}");
        let commit = self.read(&["rev-parse", "--verify", &commit]).with_context(unknown)?.trim().to_owned();
        let base = self.read(&["merge-base", &commit, "HEAD"]).with_context(|| {
            format!(
                "--since {reference}: no common ancestor with HEAD; in a shallow clone, fetch more history"
            )
        })?;
        Ok(Since { base: base.trim().to_owned(), commit })
    }

    /// The files below a folder at a commit, with paths relative to it.
    ///
    /// # Errors
    /// When git fails, or something there is not a file.
    pub(crate) fn files_below(&self, commit: &str, folder: &str) -> anyhow::Result<Vec<SourceFile>> {
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let of_folder: &[&str] = if below.is_empty() { &[] } else { &["--", &below] };
        let tree = ["ls-tree", "-r", "-z", "--full-tree", "--name-only", commit];
        let listed = self.read(&[&tree, of_folder].concat())?;
        let paths = listed.split('\0').filter_map(|path| path.strip_prefix(&*below));
        let paths: Vec<&str> = paths.filter(|path| !path.is_empty()).collect();
        let asked: String = paths.iter().map(|path| format!("{commit}:{below}{path}\n")).collect();
        let answer = self.bytes(&["cat-file", "--batch"], &asked)?;
        let mut rest = &answer[..];
        let mut files = Vec::new();
        for path in paths {
            let (bytes, after) = blob(rest).with_context(|| format!("cannot read {below}{path} from git"))?;
            files.push(SourceFile::new(path, bytes.to_vec()));
            rest = after;
        }
        Ok(files)
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

/// What `--since` names.
pub(crate) struct Since {
    /// The commit.
    pub(crate) commit: String,
    /// The last commit that it has in common with HEAD.
    pub(crate) base: String,
}

/// Parses `<object> blob <size>\n<content>\n`. Returns the content and the rest.
fn blob(answer: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let size: usize = std::str::from_utf8(&answer[..end]).ok()?.rsplit_once(" blob ")?.1.parse().ok()?;
    let rest = answer.get(end + 1..)?;
    Some((rest.get(..size)?, rest.get(size + 1..)?))
}
