//! Copies of folders, owned by the server's account.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, symlink},
    path::Path,
};

use crate::account::Account;

/// Number and size of the copied files: a tally that differs from the recorded one means that the source is damaged.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// Copies the folder `from` to the new folder `to`. Skips entries for which `skip` returns true (given the path
/// relative to `from`) and files that disappear during the copy, because a running server removes some.
pub(crate) fn copy_tree(
    from: &Path,
    to: &Path,
    account: Option<&Account>,
    skip: &dyn Fn(&Path) -> bool,
) -> io::Result<Tally> {
    let mut tally = Tally::default();
    copy_folder(from, to, Path::new(""), account, skip, &mut tally)?;
    Ok(tally)
}

/// Removes folders whose names start with `prefix`: unfinished work of killed processes. The caller must hold the lock
/// under which such folders are created.
pub(crate) fn remove_unfinished(parent: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

fn copy_folder(
    from: &Path,
    to: &Path,
    inner: &Path,
    account: Option<&Account>,
    skip: &dyn Fn(&Path) -> bool,
    tally: &mut Tally,
) -> io::Result<()> {
    let target = to.join(inner);
    let mode = fs::metadata(from.join(inner))?.mode() & 0o777;
    fs::DirBuilder::new().mode(mode).create(&target)?;
    own(account, &target)?;
    for entry in fs::read_dir(from.join(inner))? {
        let entry = entry?;
        let path = inner.join(entry.file_name());
        if skip(&path) {
            continue;
        }
        let copied = match copy_entry(&entry, to, &path, account, tally) {
            Ok(true) => copy_folder(from, to, &path, account, skip, tally),
            other => other.map(drop),
        };
        match copied {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && !entry.path().exists() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Copies a file or link. True when the entry is a folder, which the caller copies.
fn copy_entry(
    entry: &fs::DirEntry,
    to: &Path,
    path: &Path,
    account: Option<&Account>,
    tally: &mut Tally,
) -> io::Result<bool> {
    let kind = entry.file_type()?;
    let target = to.join(path);
    if kind.is_dir() {
        return Ok(true);
    } else if kind.is_symlink() {
        symlink(fs::read_link(entry.path())?, &target)?;
    } else if kind.is_file() {
        // std clones the file where the file system supports it, and copies within the kernel elsewhere.
        tally.bytes += fs::copy(entry.path(), &target)?;
        tally.files += 1;
    } else {
        return Ok(false);
    }
    own(account, &target)?;
    Ok(false)
}

fn own(account: Option<&Account>, path: &Path) -> io::Result<()> {
    account.map_or(Ok(()), |account| account.own(path))
}
