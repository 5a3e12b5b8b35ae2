//! Versions that several files of one folder have: only one of them could be a migration's.

use std::collections::HashMap;

use refit_model::{FileKind, Problem, same_version};

use crate::lint::{Input, file_name};

/// The files of each folder and version, in order.
pub(crate) struct Versions<'a> {
    files: HashMap<(&'a str, i64), Vec<&'a Input>>,
}

impl<'a> Versions<'a> {
    pub(crate) fn of(inputs: &'a [Input]) -> Versions<'a> {
        let mut files: HashMap<(&str, i64), Vec<&Input>> = HashMap::with_capacity(inputs.len());
        for input in inputs {
            if let Some(version) = version_of(&input.path) {
                files.entry((folder_of(&input.path), version)).or_default().push(input);
            }
        }
        Versions { files }
    }

    /// What is wrong with a file's version: it is told of the second file that has it, or of the one that is reported.
    pub(crate) fn problem(&self, path: &str, version: i64) -> Option<Problem> {
        let folder = folder_of(path);
        let all = self.files.get(&(folder, version))?;
        let (first, others) = all.split_first()?;
        let other = match first.path == path {
            true => others.iter().find(|_| others.iter().all(|other| !other.reported))?,
            false => first,
        };
        let in_folder = self.files.keys().filter(|(other, _)| *other == folder);
        let last = in_folder.map(|(_, version)| *version).max().unwrap_or(version);
        Some(same_version(path, file_name(&other.path), version, last.saturating_add(1)))
    }
}

/// The version that a file's name gives, if it has one.
pub(crate) fn version_of(path: &str) -> Option<i64> {
    match FileKind::of(file_name(path)) {
        Ok(FileKind::Migration { version, .. }) => Some(version),
        _ => None,
    }
}

fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..slash])
}
