//! Versions that several files of a folder share: only one of them can be used.

use refit_model::{FileKind, Problem, same_version};

use crate::lint::{Source, file_name};

/// The migrations of all folders, by folder and version.
pub(crate) struct Versions<'a> {
    files: Vec<(&'a str, i64, Source<'a>)>,
}

impl<'a> Versions<'a> {
    pub(crate) fn of(inputs: &[Source<'a>]) -> Versions<'a> {
        let migration = |input: &Source<'a>| Some((folder_of(input.path), version_of(input.path)?, *input));
        let mut files: Vec<_> = inputs.iter().filter_map(migration).collect();
        // Files of the same version stay in order.
        files.sort_by_key(|(folder, version, _)| (*folder, *version));
        Versions { files }
    }

    /// The problem with a file's version. It is reported for each file with the version but the first, or for the first
    /// if the others are not reported.
    pub(crate) fn problem(&self, path: &str, version: i64) -> Option<Problem> {
        let folder = folder_of(path);
        let from = self.files.partition_point(|(of, known, _)| (*of, *known) < (folder, version));
        let same = self.files[from..].iter().take_while(|(of, known, _)| (*of, *known) == (folder, version));
        let all: Vec<Source<'_>> = same.map(|(.., input)| *input).collect();
        let (first, others) = all.split_first()?;
        let other = match first.path == path {
            true => others.first().filter(|_| others.iter().all(|other| !other.reported))?,
            false => first,
        };
        let end = self.files.partition_point(|(of, ..)| *of <= folder);
        let last = self.files[..end].last().map_or(version, |(_, last, _)| *last);
        Some(same_version(path, file_name(other.path), version, last.saturating_add(1)))
    }
}

/// The version in a file name, if it has one.
pub(crate) fn version_of(path: &str) -> Option<i64> {
    match FileKind::of(file_name(path)) {
        Ok(FileKind::Migration { version, .. }) => Some(version),
        _ => None,
    }
}

fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..slash])
}
