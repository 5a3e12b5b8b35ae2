//! A folder like a workspace, and helpers to run the commands in it.

pub(crate) mod backups;
pub(crate) mod git;

use std::path::Path;
use std::process::{Command, Output};

use refit_devdb::TestDb;
pub(crate) use test_support::{execute, pgbouncer, until, value};

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
        let file = self.root().join("migrations").join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join("migrations").join(path)).unwrap()
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

/// The history as `1:checksum,2:checksum`.
pub(crate) async fn history(db: &TestDb) -> String {
    let sql = "SELECT coalesce(string_agg(version || ':' || checksum, ',' ORDER BY version), '') FROM refinery_schema_history";
    value(db, sql).await
}
