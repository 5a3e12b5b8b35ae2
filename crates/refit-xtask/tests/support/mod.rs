//! A folder like a workspace, and helpers to run the commands in it.

#[allow(dead_code, reason = "the integration tests share this file and use more of it")]
#[path = "../../../../tests/support/pgbouncer.rs"]
pub(crate) mod pgbouncer;

use std::path::Path;
use std::process::{Command, Output};

use refit_devdb::TestDb;
use tokio_postgres::types::FromSqlOwned;

pub(crate) struct Workspace {
    folder: tempfile::TempDir,
    url: Option<String>,
}

pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workspace {
    pub(crate) fn new(files: &[(&str, &str)]) -> Workspace {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Cargo.toml"), "[workspace]\n").unwrap();
        std::fs::create_dir(folder.path().join("migrations")).unwrap();
        let workspace = Workspace { folder, url: None };
        for (path, text) in files {
            workspace.write(path, text);
        }
        workspace
    }

    pub(crate) fn on(mut self, db: &TestDb) -> Workspace {
        self.url = Some(db.url().to_owned());
        self
    }

    pub(crate) fn at(mut self, url: &str) -> Workspace {
        self.url = Some(url.to_owned());
        self
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root().join("migrations").join(path), text).unwrap();
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root().join("migrations")).unwrap();
        let mut files: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        files.sort();
        files
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit-xtask"));
        command.current_dir(self.root()).stdin(std::process::Stdio::null());
        for name in ["CARGO_MANIFEST_DIR", "DATABASE_URL", "REFIT_ENVIRONMENT", "RUST_LOG", "RUST_BACKTRACE"]
        {
            command.env_remove(name);
        }
        if let Some(url) = &self.url {
            command.env("DATABASE_URL", url);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command().args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { status: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Ran {
    pub(crate) fn expect(self, status: i32) -> Ran {
        assert_eq!(self.status, status, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

pub(crate) async fn value<T: FromSqlOwned>(db: &TestDb, sql: &str) -> T {
    let client = db.connect().await.unwrap();
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

pub(crate) async fn execute(db: &TestDb, sql: &str) {
    let client = db.connect().await.unwrap();
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// The history as `1:checksum,2:checksum`.
pub(crate) async fn history(db: &TestDb) -> String {
    let sql = "SELECT coalesce(string_agg(version || ':' || checksum, ',' ORDER BY version), '') FROM refinery_schema_history";
    value(db, sql).await
}

/// Waits for a condition; panics with `what` after a timeout.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = std::time::Instant::now();
    while !condition().await {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "not within a minute: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
