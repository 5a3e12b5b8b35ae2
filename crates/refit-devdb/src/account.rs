//! The account that the server runs under. PostgreSQL refuses to run as root, so root runs it as `postgres` where that
//! account exists, else as `nobody`. An ordinary user runs it under their own account.

use std::{
    fs, io,
    os::unix::{
        fs::{MetadataExt, lchown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use crate::Error;

/// The account of the server's processes and files.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    other: Option<Other>,
}

#[derive(Debug, Clone)]
struct Other {
    name: &'static str,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account to run a server under.
    pub(crate) fn detect() -> Result<Account, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Account { other: None });
        }
        let other = ["postgres", "nobody"].into_iter().find_map(|name| {
            Some(Other { name, uid: id("-u", name)?, gid: id("-g", name)? }).filter(|other| other.uid != 0)
        });
        match other {
            Some(other) => Ok(Account { other: Some(other) }),
            None => Err(Error::NoAccount),
        }
    }

    /// The account's name, or `the current user`.
    pub(crate) fn name(&self) -> &'static str {
        self.other.as_ref().map_or("the current user", |other| other.name)
    }

    /// The numeric user id that owns the server's files.
    pub(crate) fn uid(&self) -> u32 {
        self.other.as_ref().map_or_else(|| rustix::process::geteuid().as_raw(), |other| other.uid)
    }

    /// A command that runs under the account, in a folder that it can enter, with English messages and without the
    /// caller's locale and time zone: a cluster must be the same on every machine.
    pub(crate) fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env("LC_ALL", "C").env("TZ", "UTC").stdin(Stdio::null());
        for name in ["PGDATA", "PGPORT", "PGOPTIONS", "PGSYSCONFDIR"] {
            command.env_remove(name);
        }
        if let Some(other) = &self.other {
            // This also makes std drop root's supplementary groups.
            command.uid(other.uid).gid(other.gid);
        }
        command
    }

    /// Makes the account the owner of a file or folder.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        match &self.other {
            Some(other) => lchown(path, Some(other.uid), Some(other.gid)),
            None => Ok(()),
        }
    }

    /// Whether the account can enter the folder: root's folders are often closed to others.
    pub(crate) fn reaches(&self, folder: &Path) -> bool {
        let Some(other) = &self.other else { return true };
        let Ok(folder) = fs::canonicalize(folder) else { return false };
        folder.ancestors().all(|ancestor| match fs::metadata(ancestor) {
            Ok(found) if found.uid() == other.uid => found.mode() & 0o100 != 0,
            Ok(found) if found.gid() == other.gid => found.mode() & 0o010 != 0,
            Ok(found) => found.mode() & 0o001 != 0,
            Err(_) => false,
        })
    }
}

/// `id -u postgres`: it also knows accounts of directory services, which /etc/passwd does not list.
fn id(what: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([what, name]).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().parse().ok()).flatten()
}
