//! The folder of one server: data, socket and log. Its name begins with `refit-devdb-`, only the server's account may
//! enter it, and it goes with its owner: by drop, by the watchdog, or, when the whole machine went down, by the sweep
//! that the next server's start does. A folder is swept only if its `owner.lock` is free, which the operating system sees
//! to even across containers that share a temporary folder, where process ids would not tell.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{Error, account::Account, watchdog::Watchdog};

const PREFIX: &str = "refit-devdb-";
const LOCK: &str = "owner.lock";

/// Longest path of a folder that holds a socket: the least system allows 103 bytes for `<folder>/.s.PGSQL.65535`.
const MAX_BYTES: usize = 103 - "/.s.PGSQL.65535".len();

/// A server's folder; removed on drop unless it was told to stay.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) watchdog: Watchdog,
    lock: Option<File>,
    stay: bool,
}

impl Folder {
    /// A new folder under `temp`, or under `/tmp` when the server's account cannot enter `temp` or a socket's path would
    /// become too long there.
    pub(crate) fn create(temp: &Path, account: &Account) -> Result<Folder, Error> {
        let fits = temp.as_os_str().len() + PREFIX.len() + 1 + 8 <= MAX_BYTES;
        let temp = if fits && account.reaches(temp) { temp } else { Path::new("/tmp") };
        sweep(temp, account);
        let path = temp.join(format!("{PREFIX}{:08x}", rand::random::<u32>()));
        let mut watchdog = Watchdog::start(&path)?;
        if let Err(error) = fs::DirBuilder::new().mode(0o700).create(&path) {
            // If it exists, it is somebody else's.
            watchdog.release();
            return Err(Error::io("make a folder in", temp)(error));
        }
        let mut folder = Folder { path, watchdog, lock: None, stay: false };
        folder.lock = Some(take_lock(&folder.path).map_err(Error::io("lock", &folder.path))?);
        account.own(&folder.path).map_err(Error::io("give away", &folder.path))?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder where it is when its owner goes.
    pub(crate) fn stay(&mut self) -> Result<(), Error> {
        let lock = self.path.join(LOCK);
        fs::remove_file(&lock).map_err(Error::io("remove", &lock))?;
        self.stay = true;
        self.watchdog.release();
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.stay {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.path.display(), %error, "the folder of a private server stays behind");
        }
        self.watchdog.release();
    }
}

/// The lock appears under its name only once it is held: a free lock means a dead owner, never an early one.
fn take_lock(folder: &Path) -> io::Result<File> {
    let early = folder.join("owner.new");
    let lock = File::create(&early)?;
    lock.lock()?;
    fs::rename(early, folder.join(LOCK))?;
    Ok(lock)
}

/// Removes what earlier owners left when neither they nor their watchdogs could. Never fails: it is not what the
/// caller came for.
fn sweep(temp: &Path, account: &Account) {
    let Ok(entries) = fs::read_dir(temp) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let path = entry.path();
        if is_ours(&path, account) && is_abandoned(&path) {
            tracing::info!(folder = %path.display(), "removing what an earlier private server left");
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn is_ours(path: &Path, account: &Account) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && [own, account.uid()].contains(&found.uid()))
}

fn is_abandoned(folder: &Path) -> bool {
    // The flag keeps a link or a pipe of that name from leading us astray.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let lock = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(folder.join(LOCK));
    let Ok(lock) = lock else { return false };
    match lock.try_lock() {
        // While the server runs, the watchdog is about to stop it.
        Ok(()) => postmaster(folder).is_none_or(|pid| !is_alive(pid)),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

/// The process that the data folder says it belongs to.
pub(crate) fn postmaster(folder: &Path) -> Option<u32> {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    file.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)
}

/// Whether a process of that id exists. It may be somebody else's.
pub(crate) fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_folders_are_swept() {
        let account = Account::detect().unwrap();
        let temp = tempfile::tempdir().unwrap();
        let make = |name: &str, lock: bool| {
            let path = temp.path().join(name);
            fs::create_dir(&path).unwrap();
            lock.then(|| take_lock(&path).unwrap())
        };
        let held = make("refit-devdb-held", true);
        drop(make("refit-devdb-dead", true));
        drop(make("refit-devdb-early", false));
        drop(make("other-dead", true));
        sweep(temp.path(), &account);
        let mut left: Vec<_> = fs::read_dir(temp.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, ["other-dead", "refit-devdb-early", "refit-devdb-held"]);
        drop(held);
    }
}
