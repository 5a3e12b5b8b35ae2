//! `--fix`: selects the migrations that may change, fixes them, and reports the changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::bail;
use refit_lint::{Change, Config, Fixed};
use refit_model::{FileKind, Version};

use super::sources::Sources;
use crate::fs;
use crate::git::Git;

/// The result of fixing.
pub(crate) struct FixOutcome {
    pub(crate) fixed: Fixed,
    /// Whether the files were written: false with `--dry-run`.
    pub(crate) written: bool,
}

impl FixOutcome {
    /// Whether any file changes.
    pub(crate) fn changes(&self) -> bool {
        !self.fixed.changes.is_empty()
    }
}

/// Fixes the files, and writes them unless `dry`. Afterwards `sources` contains the fixed set.
///
/// # Errors
/// When git cannot determine which migrations may have run and `tracked` is false, and when files cannot be written; then none
/// is changed.
pub(crate) fn fix(
    sources: &mut Sources,
    config: &Config,
    tracked: bool,
    dry: bool,
) -> anyhow::Result<FixOutcome> {
    if sources.files.iter().any(Option::is_none) {
        bail!("--fix cannot rewrite standard input; give the paths of the files");
    }
    let protected = if tracked { BTreeSet::new() } else { protected(sources)? };
    let fixed = refit_lint::fix(&sources.inputs, config, &protected);
    let files = on_disk(sources, &fixed.changes)?;
    fs::check(&files)?;
    free_versions(&files)?;
    if !dry {
        fs::replace_all(&files)?;
    }
    sources.inputs.clone_from(&fixed.inputs);
    Ok(FixOutcome { fixed, written: !dry })
}

/// The files that may have run: those of the main branch, even if changed, and all files with the same versions.
fn protected(sources: &Sources) -> anyhow::Result<BTreeSet<String>> {
    let unknown = |error: anyhow::Error| {
        error.context("cannot determine which migrations may have run; if none has, give --fix-tracked")
    };
    let git = Git::at(&sources.folder, "--fix").map_err(unknown)?;
    let on_main = git.on_main().map_err(unknown)?;
    let versions: HashSet<(String, Version)> = on_main.iter().filter_map(|path| version(path)).collect();
    let is_protected = |file: &Path| match git.path_of(file) {
        Some(path) => {
            on_main.contains(&path) || version(&path).is_some_and(|known| versions.contains(&known))
        }
        // The history of files outside the repository is unknown.
        None => true,
    };
    let paths = sources.inputs.iter().zip(&sources.files);
    let kept = paths.filter(|(_, file)| file.as_deref().is_none_or(is_protected));
    Ok(kept.map(|(input, _)| input.path.clone()).collect())
}

/// The folder of a migration, and its version.
fn version(path: &str) -> Option<(String, Version)> {
    let (folder, file) = split(path);
    match FileKind::of(file) {
        Ok(FileKind::Migration { version, .. }) => Some((folder.to_owned(), version)),
        _ => None,
    }
}

/// The paths of all changes on disk.
fn on_disk(sources: &Sources, changes: &[Change]) -> anyhow::Result<Vec<fs::Replacement>> {
    let mut places: BTreeMap<&str, &Path> = BTreeMap::new();
    let mut folders: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for (input, file) in sources.inputs.iter().zip(&sources.files) {
        let Some(file) = file else { continue };
        places.insert(&input.path, file);
        folders.insert(split(&input.path).0, file.parent().map(Path::to_path_buf).unwrap_or_default());
    }
    let place = |path: &str| match places.get(path) {
        Some(place) => Some(place.to_path_buf()),
        None => folders.get(split(path).0).map(|folder| folder.join(split(path).1)),
    };
    let replacement = |change: &Change| {
        let Some(to) = place(&change.to) else { bail!("{} has no folder", change.to) };
        let from = change.from.as_deref().and_then(place);
        Ok(fs::Replacement { from, to, before: change.before.clone(), after: change.after.clone() })
    };
    changes.iter().map(replacement).collect()
}

/// Checks that no other file has a new version: if files were given by name, the rest of the folder has not been read.
fn free_versions(files: &[fs::Replacement]) -> anyhow::Result<()> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let old: HashSet<&Path> = files.iter().filter_map(|file| file.from.as_deref()).collect();
    let mut given: BTreeMap<&Path, HashMap<Version, &Path>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.from.as_ref() != Some(&file.to)) {
        let folder = file.to.parent().unwrap_or(Path::new(""));
        if let Some((_, version)) = version(&name(&file.to)) {
            given.entry(folder).or_default().insert(version, &file.to);
        }
    }
    for (folder, given) in given {
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        for entry in std::fs::read_dir(listed)? {
            let other = folder.join(entry?.file_name());
            let Some((_, taken)) = version(&name(&other)) else { continue };
            let Some(to) = given.get(&taken).filter(|to| **to != other && !old.contains(&*other)) else {
                continue;
            };
            bail!(
                "{} already has version {taken}, which {} would get; give the whole folder, so that it can be renumbered",
                other.display(),
                to.display()
            );
        }
    }
    Ok(())
}

/// The folder of a path, with its slash, and the name.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |slash| slash + 1))
}
