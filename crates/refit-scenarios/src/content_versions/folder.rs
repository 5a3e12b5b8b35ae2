//! A copy of the migrations, whose `refit.toml` changes in the course of the scenario.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A temporary folder with the migrations and the backups.
pub(super) struct Folder {
    root: tempfile::TempDir,
}

/// What `refit.toml` requires in the environment `production`.
#[derive(Debug, Clone, Default)]
pub(super) struct Profile {
    /// Checks, budgets and a backup.
    requires: Vec<&'static str>,
    windows: Vec<String>,
}

impl Profile {
    /// Checks and budgets, a backup if one can be made, and windows.
    pub(super) fn production(has_backups: bool, windows: Option<Vec<String>>) -> Profile {
        let mut requires = vec!["checks = true", "budgets = true"];
        if has_backups {
            requires.push("backup = \"tables\"");
        }
        Profile { requires, windows: windows.unwrap_or_default() }
    }
}

impl Folder {
    /// Copies the migrations.
    pub(super) fn copy(migrations: &Path) -> anyhow::Result<Folder> {
        let root = tempfile::tempdir()?;
        let folder = Folder { root };
        fs::create_dir(folder.migrations())?;
        let failed = || format!("cannot copy {}", migrations.display());
        for entry in fs::read_dir(migrations).with_context(failed)? {
            let entry = entry?;
            fs::copy(entry.path(), folder.migrations().join(entry.file_name())).with_context(failed)?;
        }
        Ok(folder)
    }

    /// Writes `refit.toml`.
    pub(super) fn write(&self, profile: &Profile) -> anyhow::Result<()> {
        let mut text = String::from("versions = \"counted\"\npostgres = 14\n\n[environment.production]\n");
        for line in &profile.requires {
            text.push_str(line);
            text.push('\n');
        }
        if !profile.windows.is_empty() {
            let windows: Vec<String> = profile.windows.iter().map(|window| format!("{window:?}")).collect();
            text.push_str(&format!("windows = [{}]\n", windows.join(", ")));
        }
        Ok(fs::write(self.migrations().join("refit.toml"), text)?)
    }

    pub(super) fn migrations(&self) -> PathBuf {
        self.root.path().join("migrations")
    }

    pub(super) fn backups(&self) -> PathBuf {
        self.root.path().join("backups")
    }
}
