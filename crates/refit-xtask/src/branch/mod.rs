//! What a branch adds to the migrations of another one: the folder on disk, at the tip of the other branch, and at their last
//! common commit.

pub(crate) mod overlap;
pub(crate) mod proof;
pub(crate) mod renumber;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use refit_model::{FileKind, RunOrder, SourceFile, Version};

use crate::git::{Git, Since};

/// The migrations folder in three states.
pub(crate) struct Branch {
    /// The other branch, as it is named in messages.
    pub(crate) name: String,
    /// The files on disk, committed or not.
    pub(crate) ours: Files,
    /// The files of the other branch.
    pub(crate) theirs: Files,
    /// The files at the last common commit.
    pub(crate) base: Files,
}

/// The files of a migrations folder by path, without its subfolders.
#[derive(Debug, Default)]
pub(crate) struct Files(pub(crate) BTreeMap<String, Vec<u8>>);

/// A versioned migration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Versioned {
    pub(crate) version: Version,
    /// The file name without `.sql`.
    pub(crate) stem: String,
    /// The name after the version.
    pub(crate) name: String,
}

impl Versioned {
    /// The file.
    pub(crate) fn file(&self) -> String {
        format!("{}.sql", self.stem)
    }

    /// The version as it is written: `V0012`.
    pub(crate) fn label(&self) -> &str {
        self.stem.split("__").next().unwrap_or(&self.stem)
    }
}

impl Branch {
    /// Reads the states. `reference` is the other branch; without one, it is the main branch. `option` needs git.
    ///
    /// # Errors
    /// When there is no repository, no such branch or no common commit.
    pub(crate) fn read(
        folder: &Path,
        reference: Option<&str>,
        option: &'static str,
    ) -> anyhow::Result<Branch> {
        let git = Git::at(folder, option)?;
        let name = match reference {
            Some(reference) => reference,
            None => match git.main()? {
                Some((name, _)) => name,
                None => bail!("{option} needs a commit: the repository has none yet"),
            },
        };
        let Since { commit, base } = git.since(name)?;
        let path = git.path_of(folder).context("the migrations folder is outside the repository")?;
        let at = |commit: &str| git.files_below(commit, &path).map(Files::of);
        let theirs = at(&commit)?;
        Ok(Branch { name: name.to_owned(), ours: Files::on_disk(folder)?, theirs, base: at(&base)? })
    }

    /// Refuses a folder with files of which an interrupted merge or rebase has left both sides.
    ///
    /// # Errors
    /// When there are any, or git fails.
    pub(crate) fn refuse_unmerged(folder: &Path, option: &'static str) -> anyhow::Result<()> {
        let git = Git::at(folder, option)?;
        let path = git.path_of(folder).context("the migrations folder is outside the repository")?;
        let unmerged = git.read(&["ls-files", "--unmerged", "-z", "--", &format!(":/{path}")])?;
        match unmerged.split('\0').find(|entry| !entry.is_empty()) {
            Some(entry) => {
                let file = entry.rsplit('\t').next().unwrap_or_default();
                bail!("{file} has an unresolved conflict; resolve it, or abort the merge, and try again")
            }
            None => Ok(()),
        }
    }

    /// The versioned migrations that this branch adds: those that the other branch does not have, and never had.
    pub(crate) fn added_here(&self) -> Vec<Versioned> {
        let is_known = |file: &str| self.theirs.0.contains_key(file) || self.base.0.contains_key(file);
        let mut added = self.ours.versioned();
        added.retain(|one| !is_known(&one.file()));
        added
    }

    /// The migrations that the other branch has added since the last common commit, and that are not here; also the repeatable
    /// ones that it has changed.
    pub(crate) fn new_there(&self) -> Vec<&str> {
        new(&self.theirs, &self.ours, &self.base)
    }

    /// The same of this branch.
    pub(crate) fn new_here(&self) -> Vec<&str> {
        new(&self.ours, &self.theirs, &self.base)
    }
}

/// The migrations of one side that neither the other side nor the last common commit has.
fn new<'a>(side: &'a Files, other: &Files, base: &Files) -> Vec<&'a str> {
    let mut files = side.migrations();
    files.retain(|file| match FileKind::of(file) {
        Ok(FileKind::Repeatable { .. }) => {
            let text = side.0.get(*file);
            base.0.get(*file) != text && other.0.get(*file) != text
        }
        _ => !base.0.contains_key(*file) && !other.0.contains_key(*file),
    });
    files
}

impl Files {
    fn of(files: Vec<SourceFile>) -> Files {
        let top = files.into_iter().filter(|file| !file.path.contains('/'));
        Files(top.map(|file| (file.path, file.bytes.into_owned())).collect())
    }

    fn on_disk(folder: &Path) -> anyhow::Result<Files> {
        let unreadable = || format!("cannot read {}", folder.display());
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_file() {
                let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                files.insert(name, bytes);
            }
        }
        Ok(Files(files))
    }

    /// The migrations that run, in the order in which they do.
    pub(crate) fn migrations(&self) -> Vec<&str> {
        let mut files: Vec<&str> = self.0.keys().map(String::as_str).collect();
        files.retain(|file| FileKind::is_migration(file));
        files.sort_by_cached_key(|file| RunOrder::of(file));
        files
    }

    /// The versioned migrations, in order.
    pub(crate) fn versioned(&self) -> Vec<Versioned> {
        let versioned = |file: &String| match FileKind::of(file) {
            Ok(FileKind::Migration { version, name }) => {
                Some(Versioned { version, stem: file.trim_end_matches(".sql").to_owned(), name })
            }
            _ => None,
        };
        let mut all: Vec<Versioned> = self.0.keys().filter_map(versioned).collect();
        all.sort();
        all
    }
}
