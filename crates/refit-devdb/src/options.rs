//! How a server is to be: where it listens, how durable it is, and its settings.

use std::{path::PathBuf, time::Duration};

use crate::{Error, Search};

/// The folder that lies in memory on Linux.
const MEMORY: &str = "/dev/shm";

/// Where a server listens. Never beyond this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listen {
    /// On a Unix socket in a folder that only the caller may enter. No password.
    #[default]
    Socket,
    /// On 127.0.0.1 at this port; 0 takes any that is free. As every user of the machine can reach it, it asks for a
    /// password that is made anew for each server and stands in [`Server::url`](crate::Server::url).
    Loopback(u16),
}

/// How a server is to be. The default is what tests want, with nothing taken from the environment;
/// [`ServerOptions::from_env`] is what a program wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Which binaries.
    pub search: Search,
    /// The folder under which the server's own is made. `/tmp` by default; also used when a socket's path would
    /// become too long elsewhere.
    pub temp_dir: PathBuf,
    /// Where it listens.
    pub listen: Listen,
    /// Whether what is committed survives a crash of the machine. False turns off `fsync`, `synchronous_commit` and
    /// `full_page_writes`: far faster, and right for data that is thrown away.
    pub durable: bool,
    /// Settings for `postgresql.conf`, which win over those that are made here.
    pub settings: Vec<(String, String)>,
    /// How long to wait for the server to come up, and for it to stop.
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
    /// The default with [`Search::from_env`] and the temporary folder that the environment names.
    pub fn from_env() -> ServerOptions {
        ServerOptions {
            search: Search::from_env(),
            temp_dir: std::env::temp_dir(),
            ..ServerOptions::default()
        }
    }

    /// What [`TestDb`](crate::TestDb) runs on: [`ServerOptions::from_env`], with room for many connections, and in memory
    /// (`/dev/shm`) where that has a gigabyte free and `TMPDIR` does not ask for another place. Making a database means
    /// making 300 files, which takes 10 ms there and 120 ms on an ext4 disk.
    pub fn for_tests() -> ServerOptions {
        let mut options = ServerOptions::from_env();
        if std::env::var_os("TMPDIR").is_none() && has_room(MEMORY) {
            options.temp_dir = MEMORY.into();
        }
        // There may be as many tests at once as there are cores, each with a pool; and memory is not for old WAL.
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

    /// The lines for `postgresql.conf` that do not depend on where the server lies. A later line wins.
    pub(crate) fn configuration(&self) -> Result<String, Error> {
        let mut lines = vec![
            ("cluster_name", "refit-devdb"),
            ("logging_collector", "off"),
            ("max_connections", "100"),
            // Little enough for several servers side by side; more is one setting away.
            ("shared_buffers", "64MB"),
        ];
        if !self.durable {
            lines.extend([("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")]);
        }
        lines.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        lines.into_iter().map(|(name, value)| line(name, value)).collect()
    }
}

/// Containers often have 64 MB there, which a server would fill.
fn has_room(folder: &str) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= 1 << 30)
}

/// One line of `postgresql.conf`.
pub(crate) fn line(name: &str, value: &str) -> Result<String, Error> {
    let refuse = |reason| Error::Setting { name: name.to_owned(), reason };
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
        return Err(refuse("a setting's name holds letters, digits, `_` and `.` only"));
    }
    if value.contains(['\n', '\r', '\0']) {
        return Err(refuse("its value holds a line break"));
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
