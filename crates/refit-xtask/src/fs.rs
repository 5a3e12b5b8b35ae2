//! Writes files atomically, and several files together: all of them or none.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;

/// Creates or replaces a file atomically.
///
/// # Errors
/// When it cannot be written; an existing file is unchanged.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = beside(path, bytes).and_then(|file| file.persist(path).map_err(|error| error.error));
    written.map(drop).with_context(|| format!("cannot write {}", path.display()))
}

/// Creates files in a folder: all of them or none. Never overwrites an existing file.
///
/// # Errors
/// When one cannot be written or already exists; no file is created then.
pub(crate) fn create_all(folder: &Path, files: &[(String, String)]) -> anyhow::Result<Vec<PathBuf>> {
    let mut written: Vec<PathBuf> = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        let created = beside(&path, text.as_bytes())
            .and_then(|file| file.persist_noclobber(&path).map_err(|error| error.error));
        if let Err(error) = created {
            for path in &written {
                fs::remove_file(path).ok();
            }
            return Err(error).with_context(|| format!("cannot write {}", path.display()));
        }
        written.push(path);
    }
    Ok(written)
}

/// Creates a temporary file in the same folder as `path`, which it will replace.
fn beside(path: &Path, bytes: &[u8]) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".refit-")
        // Like any other file of the repository: the umask determines who may read it.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder_of(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file to create, change or move.
pub(crate) struct Replacement {
    /// Its current path; none for a new file.
    pub(crate) from: Option<PathBuf>,
    pub(crate) to: PathBuf,
    /// Its current content, to detect concurrent changes.
    pub(crate) before: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

/// Checks that the files can be written, as far as possible beforehand.
///
/// # Errors
/// When a file has changed or a target already exists.
pub(crate) fn check(files: &[Replacement]) -> anyhow::Result<()> {
    let sources = sources(files);
    for file in files {
        if let Some(from) = &file.from {
            let found = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
            if found != file.before {
                bail!("{} has changed since it was read; nothing was written", from.display());
            }
        }
        if !sources.contains(&file.to) && fs::symlink_metadata(&file.to).is_ok() {
            bail!("{} already exists; nothing was written", file.to.display());
        }
    }
    Ok(())
}

/// Replaces all files.
///
/// # Errors
/// When one cannot be written. All files are then restored, or the error names the one that is not.
pub(crate) fn replace_all(files: &[Replacement]) -> anyhow::Result<()> {
    let mut ready = Vec::new();
    let known = files.iter().find_map(|file| file.from.as_deref());
    for file in files {
        ready.push((prepared(file, known)?, real(&file.to)));
    }
    let written: anyhow::Result<()> = ready.into_iter().try_for_each(|(temporary, to)| {
        temporary
            .persist(&to)
            .map_err(|failed| failed.error)
            .map(drop)
            .with_context(|| format!("cannot write {}", to.display()))
    });
    let removed = || {
        let targets: HashSet<&PathBuf> = files.iter().map(|file| &file.to).collect();
        for from in files.iter().filter_map(|file| file.from.as_ref()) {
            if !targets.contains(from) {
                fs::remove_file(from).with_context(|| format!("cannot remove {}", from.display()))?;
            }
        }
        Ok(())
    };
    written.and_then(|()| removed()).map_err(|error| match restore(files) {
        Ok(()) => error.context("all files were restored"),
        Err(other) => error.context(format!("some files could not be restored: {other:#}")),
    })
}

/// Creates the temporary file that will replace a file, with the permissions of the existing file, or of `known` for a new one.
fn prepared(file: &Replacement, known: Option<&Path>) -> anyhow::Result<NamedTempFile> {
    let failed = || format!("cannot write {}; nothing was written", file.to.display());
    let to = real(&file.to);
    let temporary = beside(&to, &file.after).with_context(failed)?;
    let like = file.from.as_deref().or(known).and_then(|like| fs::metadata(like).ok());
    if let Some(like) = like.filter(fs::Metadata::is_file) {
        fs::set_permissions(temporary.path(), like.permissions()).with_context(failed)?;
    }
    Ok(temporary)
}

/// The current paths of the files that change or move.
fn sources(files: &[Replacement]) -> HashSet<&PathBuf> {
    files.iter().filter_map(|file| file.from.as_ref()).collect()
}

/// The target of a symbolic link: the target is replaced, not the link.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Restores all files.
fn restore(files: &[Replacement]) -> anyhow::Result<()> {
    let sources = sources(files);
    for file in files {
        if let Some(from) = &file.from {
            fs::write(from, &file.before).with_context(|| format!("{}", from.display()))?;
        }
        let is_ours = || fs::read(&file.to).is_ok_and(|found| found == file.after);
        if !sources.contains(&file.to) && is_ours() {
            fs::remove_file(&file.to).with_context(|| format!("{}", file.to.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_restored_when_one_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "one").unwrap();
        fs::write(at("b"), "two").unwrap();
        // A file cannot replace a folder that is not empty.
        fs::create_dir_all(at("d").join("inside")).unwrap();
        let file = |from: Option<&str>, to: &str, before: &str| Replacement {
            from: from.map(at),
            to: at(to),
            before: before.into(),
            after: "other".into(),
        };
        let files = [
            file(Some("a"), "a", "one"),
            file(Some("b"), "c", "two"),
            file(None, "new", ""),
            file(None, "d", ""),
        ];
        assert!(check(&files).is_err());
        let error = replace_all(&files).unwrap_err();
        assert!(format!("{error:#}").contains("were restored"), "{error:#}");
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "b", "d"]);
        assert_eq!([fs::read(at("a")).unwrap(), fs::read(at("b")).unwrap()], [b"one", b"two"]);
        replace_all(&files[..3]).unwrap();
        assert!(!at("b").exists() && at("new").exists());
        assert_eq!(fs::read(at("c")).unwrap(), b"other");
    }
}
