//! Copies of folders. Whatever is copied belongs to the server's account afterwards.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, symlink},
    path::Path,
};

use crate::account::Account;

/// How much was copied: a copy whose tally differs from the one noted earlier is of something torn.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// Copies the folder `from` to the new folder `to`. Entries for which `skip` holds (by path relative to `from`) are
/// left out; files that vanish meanwhile are passed over, as a running server removes some.
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

/// Removes folders whose name begins with `prefix`: what a killed process left half done. For the holder of the lock
/// under which they are made.
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

/// Copies a file or link. True when the entry is a folder, which is left to the caller.
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
        // std clones where the file system can, and copies inside the kernel elsewhere.
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
