//! The folder of the backups: `ID.dump` and `ID.json`. A backup exists when its `.json` exists.
//!
//! *Invariant*: a file gets its final name only when it is complete and on the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::metadata::{Backup, FORMAT};

const PARTIAL: &str = ".partial";

/// The folder of the backups.
#[derive(Debug, Clone)]
pub(crate) struct Folder(pub(crate) PathBuf);

/// A dump that is being written. Dropping it removes the file.
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
    /// Locked, so that other processes see that it is in use.
    _lock: File,
}

impl Drop for Partial {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
    }
}

impl Folder {
    /// Creates the folder if it is missing, with a `.gitignore`: rows of a database do not belong into a repository.
    pub(crate) fn create(&self) -> Result<(), Error> {
        if self.0.is_dir() {
            return Ok(());
        }
        let failed = |error| Error::file("create the folder", &self.0)(error);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        fs::write(self.0.join(".gitignore"), "*\n").map_err(failed)
    }

    pub(crate) fn dump(&self, id: &str) -> PathBuf {
        self.0.join(format!("{}.dump", file_stem(id)))
    }

    fn document(&self, id: &str) -> PathBuf {
        self.0.join(format!("{}.json", file_stem(id)))
    }

    /// Begins a dump, and removes dumps that processes left behind when they were killed.
    pub(crate) fn begin(&self, id: &str) -> Result<Partial, Error> {
        self.create()?;
        self.sweep();
        let path = self.0.join(format!(".{id}.dump{PARTIAL}"));
        let create = || {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        let lock = create().map_err(Error::file("create", &path))?;
        Ok(Partial { path, _lock: lock })
    }

    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_abandoned = || File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if name.starts_with('.') && name.ends_with(PARTIAL) && is_abandoned() {
                tracing::info!(file = %path.display(), "removing an incomplete backup");
                fs::remove_file(&path).ok();
            }
        }
    }

    /// Gives a dump and its document their final names, the document last.
    pub(crate) fn finish(&self, partial: Partial, backup: &Backup) -> Result<(), Error> {
        let to = self.dump(&backup.id);
        let renamed = File::open(&partial.path)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&partial.path, &to));
        renamed.map_err(Error::file("write", &to))?;
        self.write(backup).inspect_err(|_| {
            fs::remove_file(&to).ok();
        })
    }

    /// Writes the document of a backup.
    pub(crate) fn write(&self, backup: &Backup) -> Result<(), Error> {
        self.create()?;
        let path = self.document(&backup.id);
        let write = || {
            let text = serde_json::to_string_pretty(backup)?;
            let mut file = tempfile::Builder::new().prefix(".").suffix(PARTIAL).tempfile_in(&self.0)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(Error::file("write", &path))
    }

    /// The backups of the folder, oldest first, and documents that cannot be read, each with the reason.
    pub(crate) fn list(&self) -> Result<(Vec<Backup>, Vec<String>), Error> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Vec::new(), Vec::new()));
            }
            Err(error) => return Err(Error::file("read the folder", &self.0)(error)),
        };
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if is_hidden || path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                Ok(backup) => found.push(backup),
                Err(reason) => problems.push(format!("{}: {reason}", path.display())),
            }
        }
        found.sort_by(|one: &Backup, other| (&one.created_at, &one.id).cmp(&(&other.created_at, &other.id)));
        Ok((found, problems))
    }

    /// The backup of an ID.
    pub(crate) fn find(&self, id: &str) -> Result<Backup, Error> {
        let (all, problems) = self.list()?;
        if let Some(backup) = all.into_iter().find(|backup| backup.id == id) {
            return Ok(backup);
        }
        let problems: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        Err(Error::Unknown(format!(
            "no backup {id} in {}; `cargo xtask backup list` shows all{problems}",
            self.0.display()
        )))
    }

    /// Removes a backup: first its document, so that a half-removed one is not taken for a backup.
    pub(crate) fn remove(&self, backup: &Backup) -> Result<(), Error> {
        let mut paths = vec![self.document(&backup.id)];
        paths.extend(backup.dump.is_some().then(|| self.dump(&backup.id)));
        for path in paths {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::file("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks that the file of a dump is the one that was written.
    pub(crate) fn check(&self, backup: &Backup) -> Result<PathBuf, Error> {
        let Some(dump) = &backup.dump else {
            return Err(Error::Refused(format!(
                "{} is a backup of kind {}, which has no file of Refit's",
                backup.id, backup.kind
            )));
        };
        let damaged = |reason| Error::Damaged { id: backup.id.clone(), reason };
        let path = self.dump(&backup.id);
        let size = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged(format!("{} is missing", path.display())));
            }
            Err(error) => return Err(Error::file("read", &path)(error)),
        };
        if size != dump.bytes {
            return Err(damaged(format!("{} has {size} bytes instead of {}", path.display(), dump.bytes)));
        }
        match sha256(&path)? == dump.sha256 {
            true => Ok(path),
            false => Err(damaged(format!("the SHA-256 of {} is not the recorded one", path.display()))),
        }
    }
}

fn read(path: &Path) -> Result<Backup, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let backup: Backup = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if backup.format > FORMAT {
        return Err("a newer Refit wrote it".to_owned());
    }
    // The name of the dump is made from the ID.
    let is_own = path.file_stem().is_some_and(|stem| stem.to_string_lossy() == file_stem(&backup.id));
    if is_own { Ok(backup) } else { Err(format!("it is the document of {}", backup.id)) }
}

/// The file name of an ID: programs make IDs with any characters.
fn file_stem(id: &str) -> String {
    let is_plain = |(index, byte): &(usize, u8)| {
        byte.is_ascii_alphanumeric() || b"-_".contains(byte) || (*byte == b'.' && *index > 0)
    };
    let encoded = id.bytes().enumerate().map(|at| match is_plain(&at) {
        true => char::from(at.1).to_string(),
        false => format!("%{:02X}", at.1),
    });
    encoded.collect()
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String, Error> {
    let hash = || {
        let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
        let mut part = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut part)?;
            if read == 0 {
                return Ok(hasher.finalize());
            }
            hasher.update(part.get(..read).unwrap_or_default());
        }
    };
    let hash = hash().map_err(Error::file("read", path))?;
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}
