//! Where to search for server binaries: what the caller sets, and what the machine offers.

use std::path::{Path, PathBuf};

use crate::account::Account;

/// Root's cache folder, which the server's account can read; it cannot enter `/root/.cache`.
const ROOT_CACHE: &str = "/var/cache/refit";

/// What to search for, and where. The default searches only the distributions' folders and caches nothing; programs
/// use [`Search::from_env`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The folder that holds `postgres` and `initdb` (or its parent). If set, nothing else is searched.
    pub explicit: Option<PathBuf>,
    /// The requested major version. If absent, any supported one.
    pub major: Option<u32>,
    /// Folders to search for `pg_config`, the server binaries and `npm`: the entries of `PATH`.
    pub path: Vec<PathBuf>,
    /// Cache for fetched binaries and prepared clusters. Without it nothing is fetched, and each server's cluster is
    /// created from scratch, which takes about a second.
    pub cache_dir: Option<PathBuf>,
}

impl Search {
    /// Reads `REFIT_PG_BIN` (a folder), `REFIT_PG` (a major version; anything that is not a number is ignored with a
    /// warning), `PATH`, and `XDG_CACHE_HOME` or `HOME` for the cache folder. As root, the cache is `/var/cache/refit`
    /// unless `XDG_CACHE_HOME` names a folder that the server's account can enter.
    pub fn from_env() -> Search {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let major = set("REFIT_PG").and_then(|value| {
            let major = value.to_str().and_then(|text| text.trim().parse().ok());
            if major.is_none() {
                tracing::warn!(?value, "REFIT_PG is ignored: it is not a major version such as 17");
            }
            major
        });
        let path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect());
        let xdg = set("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        let home = set("HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        Search {
            explicit: set("REFIT_PG_BIN").map(PathBuf::from),
            major,
            path: path.unwrap_or_default(),
            cache_dir: cache_dir(xdg, home),
        }
    }

    /// The first file of that name in [`Search::path`].
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        self.path.iter().map(|folder| folder.join(name)).find(|file| file.is_file())
    }
}

fn cache_dir(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        let reached = |folder: &Path| Account::detect().is_ok_and(|account| account.reaches(folder));
        let folder = xdg.filter(|folder| reached(folder)).map(|folder| folder.join("refit"));
        return Some(folder.unwrap_or_else(|| ROOT_CACHE.into()));
    }
    xdg.or_else(|| home.map(|home| home.join(".cache"))).map(|folder| folder.join("refit"))
}
