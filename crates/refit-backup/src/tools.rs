//! `pg_dump` and `pg_restore`: which are installed, and which one fits a server.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;

use crate::error::Error;
use crate::program;

/// An installed program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Tool {
    /// Its file.
    pub path: PathBuf,
    /// Its version, such as `17.10`; none if it does not print one.
    pub version: Option<String>,
    /// Its major version.
    pub major: Option<u32>,
    /// Why it cannot be used for the server; none if it can.
    pub problem: Option<String>,
    /// Whether it is the one that is used.
    pub chosen: bool,
}

impl Tool {
    /// The version, or `unknown`.
    pub(crate) fn version(&self) -> &str {
        self.version.as_deref().unwrap_or("unknown")
    }
}

/// All programs of a name in some folders, each judged by its major version, which must not be less than `least`. The first of
/// those with the lowest sufficient version is chosen.
pub(crate) async fn find(folders: &[PathBuf], name: &str, least: u32, of: &str) -> Vec<Tool> {
    let (mut found, mut seen): (Vec<Tool>, Vec<PathBuf>) = (Vec::new(), Vec::new());
    for path in folders.iter().map(|folder| folder.join(name)).filter(|path| path.is_file()) {
        let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if !seen.contains(&real) {
            seen.push(real);
            found.push(inspect(path, least, of).await);
        }
    }
    let best = found.iter().filter(|tool| tool.problem.is_none()).filter_map(|tool| tool.major).min();
    let chosen = found.iter_mut().find(|tool| tool.problem.is_none() && tool.major == best);
    if let Some(chosen) = chosen {
        chosen.chosen = true;
    }
    found
}

async fn inspect(path: PathBuf, least: u32, of: &str) -> Tool {
    let unusable =
        |path, problem| Tool { path, version: None, major: None, problem: Some(problem), chosen: false };
    let mut command = program::command(&path);
    let output = command.arg("--version").stdout(Stdio::piped()).output();
    let text = match tokio::time::timeout(Duration::from_secs(10), output).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(Err(error)) => return unusable(path, format!("it cannot be run: {error}")),
        Err(_) => return unusable(path, "it printed no version within 10 s".to_owned()),
    };
    // pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
    let version = text.split_once("(PostgreSQL) ").and_then(|(_, rest)| rest.split_whitespace().next());
    let Some((version, major)) = version.and_then(|version| Some((version, leading_number(version)?))) else {
        return unusable(path, "it prints no version".to_owned());
    };
    let problem = (major < least).then(|| format!("it is older than {of} ({least})"));
    Tool { path, version: Some(version.to_owned()), major: Some(major), problem, chosen: false }
}

fn leading_number(version: &str) -> Option<u32> {
    version.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok())
}

/// The chosen program.
///
/// # Errors
/// [`Error::NoProgram`], which lists what was found and says what to install.
pub(crate) fn chosen<'t>(
    tools: &'t [Tool],
    name: &str,
    least: u32,
    folders: &[PathBuf],
) -> Result<&'t Tool, Error> {
    if let Some(chosen) = tools.iter().find(|tool| tool.chosen) {
        return Ok(chosen);
    }
    let found: Vec<String> = tools
        .iter()
        .map(|tool| {
            let problem = tool.problem.as_deref().unwrap_or_default();
            format!("\n  {} ({}): {problem}", tool.path.display(), tool.version())
        })
        .collect();
    let searched = match tools.is_empty() {
        true => format!("; searched {}", listed(folders)),
        false => found.concat(),
    };
    Err(Error::NoProgram(format!(
        "no {name} of version {least} or later was found{searched}\n{}",
        install(least)
    )))
}

fn listed(folders: &[PathBuf]) -> String {
    let existing: Vec<String> =
        folders.iter().filter(|folder| folder.is_dir()).map(|f| f.display().to_string()).collect();
    if existing.is_empty() { "no folder".to_owned() } else { existing.join(", ") }
}

fn install(major: u32) -> String {
    match cfg!(target_os = "macos") {
        true => format!("install it with `brew install postgresql@{major}`"),
        false => format!(
            "install it with `apt-get install postgresql-client-{major}` (Debian and Ubuntu; versions that the distribution lacks are \
             at apt.postgresql.org), `dnf install postgresql` (Fedora) or `apk add postgresql{major}-client` (Alpine)"
        ),
    }
}

/// The `pg_restore` for files of a `pg_dump`: the lowest one that is not older.
pub(crate) async fn pg_restore(folders: &[PathBuf], dump_version: &str) -> Result<Tool, Error> {
    let least = leading_number(dump_version).unwrap_or(0);
    let tools = find(folders, "pg_restore", least, "the pg_dump that wrote the file").await;
    chosen(&tools, "pg_restore", least, folders).cloned()
}

/// Free space in the file system of a folder, or of its nearest existing ancestor.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let existing =
        folder.ancestors().find(|ancestor| ancestor.exists()).filter(|path| !path.as_os_str().is_empty());
    let found = rustix::fs::statvfs(existing.unwrap_or(Path::new("."))).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
