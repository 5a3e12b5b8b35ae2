//! PgBouncer from the distribution's package, in front of a private server.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use refit_devdb::Server;
use tempfile::TempDir;

use crate::until;

/// A running PgBouncer; stopped on drop.
pub struct PgBouncer {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl PgBouncer {
    /// The path of the program. Without it, the tests that need it are skipped, except in CI, where they fail.
    pub fn program() -> Option<PathBuf> {
        let folders = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
        let mut folders = folders.unwrap_or_default();
        folders.extend(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        let found = folders.iter().map(|folder| folder.join("pgbouncer")).find(|file| file.is_file());
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(found.is_some() || !in_ci, "CI needs pgbouncer: install the distribution's package");
        if found.is_none() {
            eprintln!("skipped: pgbouncer is not installed");
        }
        found
    }

    /// In front of `server`, with `pool_mode` session, transaction or statement.
    pub async fn start(program: PathBuf, server: &Server, pool_mode: &str) -> PgBouncer {
        // It refuses to run as root, and needs access to the server's folder, so it runs as the same user as the server.
        let account = std::fs::metadata(server.data_dir()).unwrap();
        let folder = tempfile::Builder::new().prefix("refit-pgbouncer-").tempdir_in("/tmp").unwrap();
        chown(folder.path(), Some(account.uid()), Some(account.gid())).unwrap();
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let settings = format!(
            "[databases]\n* = host={} port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir = {}\nauth_type = any\npool_mode = {pool_mode}\n",
            server.dir().display(),
            server.port(),
            folder.path().display(),
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        command.arg(file).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(account.uid()).gid(account.gid());
        }
        let bouncer = PgBouncer { process: command.spawn().unwrap(), folder, port };
        until("pgbouncer listens", async || {
            refit::connect(&bouncer.url("postgres"), &refit::ConnectOptions::default()).await.is_ok()
        })
        .await;
        bouncer
    }

    /// The URL of a database through it, over TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of a database through it, over its Unix socket.
    pub fn socket_url(&self, database: &str) -> String {
        let host = self.folder.path().to_str().unwrap().replace('/', "%2F");
        format!("postgres://postgres@{host}:{}/{database}", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
