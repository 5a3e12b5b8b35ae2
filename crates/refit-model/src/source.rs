//! The files of a folder, from disk or from the binary, as one list.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use include_dir::{Dir, DirEntry};

use crate::problem::Problem;

/// One file of a folder: its path relative to the folder, with `/` between parts, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative path.
    pub path: String,
    /// Unmodified content.
    pub bytes: Cow<'static, [u8]>,
}

impl SourceFile {
    /// A file from its relative path and content.
    pub fn new(path: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> SourceFile {
        SourceFile { path: path.into(), bytes: bytes.into() }
    }
}

/// Reads every file below `folder`, sorted by path. An unreadable file is a problem, and the rest is still read.
pub fn read_folder(folder: &Path) -> (Vec<SourceFile>, Vec<Problem>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    if folder.is_dir() {
        read_below(folder, "", &mut files, &mut problems);
    } else {
        let reason = match fs::metadata(folder) {
            Ok(_) => "this is not a folder".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        problems.push(Problem::new("", reason, "name the folder that contains the migrations"));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    (files, problems)
}

fn read_below(folder: &Path, prefix: &str, files: &mut Vec<SourceFile>, problems: &mut Vec<Problem>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return problems.push(unreadable(prefix, &error)),
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return problems.push(unreadable(prefix, &error)),
        };
        let name = entry.file_name();
        let path = join(prefix, &name.to_string_lossy());
        if name.to_str().is_none() {
            problems.push(Problem::new(path, "the file name is not valid UTF-8", "rename the file"));
            continue;
        }
        // Follows symbolic links, as embedding does.
        match fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_dir() => read_below(&entry.path(), &path, files, problems),
            Ok(_) => match fs::read(entry.path()) {
                Ok(bytes) => files.push(SourceFile::new(path, bytes)),
                Err(error) => problems.push(unreadable(&path, &error)),
            },
            Err(error) => problems.push(unreadable(&path, &error)),
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") }
}

fn unreadable(path: &str, error: &std::io::Error) -> Problem {
    Problem::new(path, format!("cannot be read: {error}"), "check that it exists and its permissions")
}

/// Every file of an embedded folder, sorted by path, borrowed from the binary.
pub(crate) fn embedded_files(dir: &Dir<'static>) -> Vec<SourceFile> {
    let mut files = Vec::new();
    collect(dir, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(dir: &Dir<'static>, files: &mut Vec<SourceFile>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) => collect(dir, files),
            DirEntry::File(file) => {
                files
                    .push(SourceFile::new(file.path().to_string_lossy().replace('\\', "/"), file.contents()));
            }
        }
    }
}
