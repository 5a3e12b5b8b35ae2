//! Options of a server: where it listens, how durable it is, and its settings.

use std::{path::PathBuf, time::Duration};

use crate::{Error, Search};

/// The in-memory file system of Linux.
const MEMORY: &str = "/dev/shm";

/// Where a server listens: only on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listen {
    /// On a Unix socket in a folder that only the server's account may enter. No password.
    #[default]
    Socket,
    /// On 127.0.0.1 at this port, or at any free one if 0. Every user of the machine can reach it, so it requires a
    /// password, which is random for each server and part of [`Server::url`](crate::Server::url).
    Loopback(u16),
}

/// Options of a server. The default suits tests and reads nothing from the environment; programs use
/// [`ServerOptions::from_env`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Which binaries to run.
    pub search: Search,
    /// The folder under which the server's folder is created. Default: `/tmp`, which is also used when the socket's path
    /// would be too long elsewhere.
    pub temp_dir: PathBuf,
    /// Where the server listens.
    pub listen: Listen,
    /// Whether committed data survives a crash of the machine. False turns off `fsync`, `synchronous_commit` and
    /// `full_page_writes`, which is much faster and right for throw-away data.
    pub durable: bool,
    /// Settings for `postgresql.conf`, which override those of this crate.
    pub settings: Vec<(String, String)>,
    /// How long to wait for the server to start, and for it to stop. Default: 60 s.
    pub timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            search: Search::default(),
            temp_dir: "/tmp".into(),
            listen: Listen::Socket,
            durable: false,
            settings: Vec::new(),
            timeout: Duration::from_secs(60),
        }
    }
}

impl ServerOptions {
    /// The default options with [`Search::from_env`] and the temporary folder that the environment names.
    pub fn from_env() -> ServerOptions {
        ServerOptions {
            search: Search::from_env(),
            temp_dir: std::env::temp_dir(),
            ..ServerOptions::default()
        }
    }

    /// The options of [`TestDb`](crate::TestDb): [`ServerOptions::from_env`] with more connections, and in memory
    /// (`/dev/shm`) where that has 1 GB free and `TMPDIR` is not set. Creating a database creates 300 files, which takes
    /// 10 ms in memory and 120 ms on an ext4 disk.
    pub fn for_tests() -> ServerOptions {
        let mut options = ServerOptions::from_env();
        if std::env::var_os("TMPDIR").is_none() && has_room(MEMORY) {
            options.temp_dir = MEMORY.into();
        }
        // As many tests as there are cores may run at once, each with a pool; and old WAL would waste memory.
        options
            .setting("max_connections", "500")
            .setting("max_wal_size", "128MB")
            .setting("min_wal_size", "32MB")
    }

    /// Adds a setting, such as `("log_lock_waits", "on")`.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> ServerOptions {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// The lines of `postgresql.conf` that do not depend on the server's folder. A later line overrides an earlier one.
    pub(crate) fn configuration(&self) -> Result<String, Error> {
        let mut lines = vec![
            ("cluster_name", "refit-devdb"),
            ("logging_collector", "off"),
            ("max_connections", "100"),
            // Small enough for several servers side by side; `settings` can raise it.
            ("shared_buffers", "64MB"),
        ];
        if !self.durable {
            lines.extend([("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")]);
        }
        lines.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        lines.into_iter().map(|(name, value)| line(name, value)).collect()
    }
}

/// Whether 1 GB is free: in containers `/dev/shm` is often 64 MB, which a server would fill.
fn has_room(folder: &str) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= 1 << 30)
}

/// One line of `postgresql.conf`.
pub(crate) fn line(name: &str, value: &str) -> Result<String, Error> {
    let refuse = |reason| Error::Setting { name: name.to_owned(), reason };
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
        return Err(refuse("its name may contain only letters, digits, `_` and `.`"));
    }
    if value.contains(['\n', '\r', '\0']) {
        return Err(refuse("its value contains a line break"));
    }
    Ok(format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_cannot_break_out_of_its_line() {
        assert_eq!(line("search_path", r#"a'b\c"#).unwrap(), "search_path = 'a''b\\\\c'\n");
        assert!(line("a", "1\nfsync = on").is_err());
        assert!(line("a = 1 #", "1").is_err());
    }
}
