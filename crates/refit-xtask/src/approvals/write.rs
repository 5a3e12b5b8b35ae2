//! Appends entries to `approvals.toml`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use refit_model::{APPROVALS, MigrationSet, SourceFile, read_folder};

use crate::fs::{Replacement, check, replace_all};

/// `approvals.toml` with entries to append.
pub(crate) struct Appended {
    path: PathBuf,
    before: Option<Vec<u8>>,
    after: String,
}

impl Appended {
    /// Reads the file of a folder, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Appended> {
        let path = folder.join(APPROVALS);
        let before = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let text = String::from_utf8(before.clone().unwrap_or_default())
            .with_context(|| format!("{} is not valid UTF-8", path.display()))?;
        Ok(Appended { path, before, after: text })
    }

    /// Appends an entry.
    pub(crate) fn push(&mut self, entry: &str) {
        if !self.after.is_empty() {
            let end = if self.after.ends_with('\n') { "\n" } else { "\n\n" };
            self.after.push_str(end);
        }
        self.after.push_str(entry);
    }

    /// The set as it will be, with verified signatures.
    ///
    /// # Errors
    /// When the folder is malformed with the new entries.
    pub(crate) fn set(&self, folder: &Path) -> anyhow::Result<MigrationSet> {
        let (mut files, problems) = read_folder(folder);
        if let Some(problem) = problems.first() {
            return Err(anyhow!("{problem}"));
        }
        files.retain(|file| file.path != APPROVALS);
        files.push(SourceFile::new(APPROVALS, self.after.clone().into_bytes()));
        let shown = folder.display().to_string();
        Ok(refit_approvals::verified(MigrationSet::from_files(&shown, files)?, &shown)?)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it has changed since it was read, or cannot be written.
    pub(crate) fn write(self) -> anyhow::Result<PathBuf> {
        let Appended { path, before, after } = self;
        let files = [Replacement {
            from: before.is_some().then(|| path.clone()),
            to: path.clone(),
            before: before.unwrap_or_default(),
            after: after.into_bytes(),
        }];
        check(&files)?;
        replace_all(&files)?;
        Ok(path)
    }
}
