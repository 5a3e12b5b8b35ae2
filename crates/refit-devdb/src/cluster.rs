//! New clusters: `initdb` runs once per server version; the result is cached and copied from then on. Each copy is
//! compared with the tally recorded in the cache, so that a cached cluster damaged by a power failure is recreated.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Binaries, Error,
    account::Account,
    files::{Tally, copy_tree, remove_unfinished},
    npm::open_folder,
};

/// Arguments of `initdb`. All else, such as data checksums, is the version's default.
const ARGUMENTS: [&str; 6] = [
    "--no-sync",
    "--no-instructions",
    "--encoding=UTF8",
    "--username=postgres",
    "--auth=trust",
    "--lc-messages=C",
];

/// Best first: with C.UTF-8, `upper('ä')` works, but not every machine has it.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// Prefix of the name of an unfinished copy.
const UNFINISHED: &str = "new-";

/// Creates a new cluster in `<folder>/data`, owned by the account.
pub(crate) fn create(
    binaries: &Binaries,
    account: &Account,
    cache_dir: Option<&Path>,
    folder: &Path,
) -> Result<(), Error> {
    let data = folder.join("data");
    let Some(cache) = cache_dir else { return initdb(binaries, account, folder) };
    let kept = cache.join("clusters").join(key(binaries));
    if copy_kept(&kept, &data, account)? {
        return Ok(());
    }
    let lock = match lock(cache) {
        Ok(lock) => lock,
        Err(error) => {
            tracing::warn!(cache = %cache.display(), %error, "cannot cache the cluster: the cache folder is not writable");
            return initdb(binaries, account, folder);
        }
    };
    // Another process may have created it while this one waited.
    if copy_kept(&kept, &data, account)? {
        return Ok(());
    }
    initdb(binaries, account, folder)?;
    if let Err(error) = keep(&data, &kept) {
        tracing::warn!(cache = %cache.display(), %error, "cannot cache the new cluster for the next server");
    }
    drop(lock);
    Ok(())
}

/// The key includes the folder: another build of the same version may differ in libraries and locales.
fn key(binaries: &Binaries) -> String {
    let mut hasher = DefaultHasher::new();
    (binaries.dir(), ARGUMENTS, LOCALES).hash(&mut hasher);
    format!("{}-{:016x}", binaries.version(), hasher.finish())
}

fn lock(cache: &Path) -> io::Result<File> {
    let clusters = cache.join("clusters");
    open_folder(cache)?;
    open_folder(&clusters)?;
    let lock = File::create(clusters.join("lock"))?;
    lock.lock()?;
    remove_unfinished(&clusters, UNFINISHED);
    Ok(lock)
}

/// Copies the cached cluster. False when there is none, or it is damaged.
fn copy_kept(kept: &Path, data: &Path, account: &Account) -> Result<bool, Error> {
    let Ok(tally) = fs::read_to_string(kept.join("tally")) else { return Ok(false) };
    match copy_tree(&kept.join("data"), data, Some(account), &|_| false) {
        Ok(copied) if tally == written(copied) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(Error::io("copy to", data)(error)),
        torn => {
            tracing::warn!(cluster = %kept.display(), ?torn, "the cached cluster is damaged; creating it again");
            fs::remove_dir_all(data).or_else(ignore_missing).map_err(Error::io("remove", data))?;
            Ok(false)
        }
    }
}

/// Caches a copy atomically.
fn keep(data: &Path, kept: &Path) -> io::Result<()> {
    let parent = kept.parent().unwrap_or(kept);
    let work = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(parent)?;
    let tally = copy_tree(data, &work.path().join("data"), None, &|_| false)?;
    fs::write(work.path().join("tally"), written(tally))?;
    fs::remove_dir_all(kept).or_else(ignore_missing)?;
    fs::rename(work.keep(), kept)
}

fn written(tally: Tally) -> String {
    format!("{} files, {} bytes\n", tally.files, tally.bytes)
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn initdb(binaries: &Binaries, account: &Account, folder: &Path) -> Result<(), Error> {
    let data = folder.join("data");
    let mut reason = String::new();
    for locale in LOCALES {
        let mut command = account.command(&binaries.dir().join("initdb"), folder);
        command.args(ARGUMENTS).arg(format!("--locale={locale}")).arg("-D").arg(&data);
        match run(&mut command) {
            Ok(()) => return Ok(()),
            Err(failed) if failed.contains("No space left") => return Err(Error::DiskFull { path: data }),
            Err(failed) if failed.contains("locale") => reason = failed,
            Err(failed) => return Err(Error::Program { program: shown(binaries), reason: failed }),
        }
    }
    Err(Error::Program { program: shown(binaries), reason })
}

fn shown(binaries: &Binaries) -> String {
    PathBuf::from(binaries.dir()).join("initdb").display().to_string()
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}", output.status, error.trim()))
}
