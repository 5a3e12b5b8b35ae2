//! Sets and folders from files written inline, and the folders of the workspace.

use std::path::{Path, PathBuf};

use refit_model::{MigrationSet, SourceFile};
use tempfile::TempDir;

/// A set from files written inline.
pub fn set(files: &[(&str, &str)]) -> MigrationSet {
    let files = files.iter().map(|(path, text)| SourceFile::new(*path, text.as_bytes().to_vec())).collect();
    MigrationSet::from_files("migrations", files).expect("the folder is valid")
}

/// The same files on disk, for a process to read.
pub fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    folder
}

/// Writes files into a folder.
pub fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        std::fs::write(folder.join(path), text).unwrap();
    }
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// A file or folder of the conformance data beside the repository. If it does not exist, the tests that need it are skipped.
pub fn conformance(name: &str) -> Option<PathBuf> {
    let path = workspace().join("../shared/conformance").join(name);
    let found = path.exists();
    if !found {
        eprintln!("skipped: no conformance data at {}", path.display());
    }
    found.then_some(path)
}
