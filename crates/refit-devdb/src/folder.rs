//! The folder of one server: data, socket and log. Its name begins with `refit-devdb-`, and only the server's account
//! may enter it. It is removed on drop, by the watchdog, or, after a crash of the machine, by the sweep when the next
//! server starts. The sweep removes a folder only if its `owner.lock` is not held: file locks work across containers
//! that share a temporary folder, where process ids do not.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{Error, account::Account, watchdog::Watchdog};

const PREFIX: &str = "refit-devdb-";
const LOCK: &str = "owner.lock";

/// Longest path of a folder that holds a socket: the strictest system allows 103 bytes for `<folder>/.s.PGSQL.65535`.
const MAX_BYTES: usize = 103 - "/.s.PGSQL.65535".len();

/// A server's folder; removed on drop unless [`Folder::keep`] was called.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) watchdog: Watchdog,
    lock: Option<File>,
    keep: bool,
}

impl Folder {
    /// Creates a folder under `temp`, or under `/tmp` when the server's account cannot enter `temp` or the socket's path
    /// would be too long there.
    pub(crate) fn create(temp: &Path, account: &Account) -> Result<Folder, Error> {
        let fits = temp.as_os_str().len() + PREFIX.len() + 1 + 8 <= MAX_BYTES;
        let temp = if fits && account.reaches(temp) { temp } else { Path::new("/tmp") };
        sweep(temp, account);
        let path = temp.join(format!("{PREFIX}{:08x}", rand::random::<u32>()));
        let mut watchdog = Watchdog::start(&path)?;
        if let Err(error) = fs::DirBuilder::new().mode(0o700).create(&path) {
            // If the folder exists, it belongs to another server.
            watchdog.release();
            return Err(Error::io("create a folder in", temp)(error));
        }
        let mut folder = Folder { path, watchdog, lock: None, keep: false };
        folder.lock = Some(take_lock(&folder.path).map_err(Error::io("lock", &folder.path))?);
        account.own(&folder.path).map_err(Error::io("change the owner of", &folder.path))?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the folder when its owner ends.
    pub(crate) fn keep(&mut self) -> Result<(), Error> {
        let lock = self.path.join(LOCK);
        fs::remove_file(&lock).map_err(Error::io("remove", &lock))?;
        self.keep = true;
        self.watchdog.release();
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.path.display(), %error, "cannot remove the folder of a private server");
        }
        self.watchdog.release();
    }
}

/// Creates the lock file under its final name only once the lock is held: a free lock always means that the owner has
/// ended, never that it is still starting.
fn take_lock(folder: &Path) -> io::Result<File> {
    let unlocked = folder.join("owner.new");
    let lock = File::create(&unlocked)?;
    lock.lock()?;
    fs::rename(unlocked, folder.join(LOCK))?;
    Ok(lock)
}

/// Removes folders that neither their owners nor the watchdogs could remove. Ignores errors, which must not keep the
/// caller's server from starting.
fn sweep(temp: &Path, account: &Account) {
    let Ok(entries) = fs::read_dir(temp) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let path = entry.path();
        if is_ours(&path, account) && is_abandoned(&path) {
            tracing::info!(folder = %path.display(), "removing the folder of an earlier private server");
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
    // Neither follow a link of that name nor block on a pipe.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let lock = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(folder.join(LOCK));
    let Ok(lock) = lock else { return false };
    match lock.try_lock() {
        // If the server is still running, its watchdog is about to stop it.
        Ok(()) => postmaster(folder).is_none_or(|pid| !is_alive(pid)),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

/// The process id in the data folder's PID file.
pub(crate) fn postmaster(folder: &Path) -> Option<u32> {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    file.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)
}

/// Whether a process of that id exists, of whatever user.
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
        drop(make("refit-devdb-starting", false));
        drop(make("other-dead", true));
        sweep(temp.path(), &account);
        let mut left: Vec<_> = fs::read_dir(temp.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, ["other-dead", "refit-devdb-held", "refit-devdb-starting"]);
        drop(held);
    }
}
