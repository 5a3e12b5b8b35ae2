//! Backups in tests: whether they can be made here, and the folder that they are kept in.

use refit_devdb::TestDb;
use serde_json::Value;

use super::Workspace;

impl Workspace {
    /// Runs `backup …` and returns the JSON document.
    pub(crate) fn backup(&self, arguments: &[&str]) -> Value {
        let arguments = [&["backup"], arguments, &["--format", "json"]].concat();
        serde_json::from_str(&self.run(&arguments).expect(0).stdout).unwrap()
    }

    /// The files of the backups, without `.gitignore`.
    pub(crate) fn backup_files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root().join("backups")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name != ".gitignore").collect();
        names.sort();
        names
    }
}

/// A database with migrations; none, with a message, if this machine has no `pg_dump` for its server.
pub(crate) async fn migrated(files: &[(&str, &str)]) -> Option<(TestDb, Workspace)> {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(files).on(&db);
    if !has_pg_dump(&workspace) {
        return None;
    }
    workspace.run(&["migrate"]).expect(0);
    Some((db, workspace))
}

/// Whether this machine has a `pg_dump` for the server; prints a message if not.
pub(crate) fn has_pg_dump(workspace: &Workspace) -> bool {
    let found: Value =
        serde_json::from_str(&workspace.run(&["backup", "doctor", "--format", "json"]).stdout).unwrap();
    let has = found["pg_dump"].as_array().unwrap().iter().any(|tool| tool["chosen"] == true);
    if !has {
        eprintln!("skipped: no pg_dump for PostgreSQL {}", found["server_version"]);
    }
    has
}

/// A folder with a program of a name, as a script.
pub(crate) fn script(name: &str, text: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}
