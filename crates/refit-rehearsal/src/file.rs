//! The files that run, and their order: that of the set, with backfills running beside it.

use refit_model::{Directives, FileKind, Migration, Repeatable, Version, front_matter, normalise};

/// A file that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path, as shown in the trace.
    pub path: String,
    /// Its normalised text.
    pub text: String,
    /// The directives of its front matter.
    pub directives: Directives,
    /// Its version, if it has one.
    pub version: Option<Version>,
    /// Whether the trace includes it; otherwise it only runs.
    pub traced: bool,
    /// Its down file.
    pub down: Option<Box<File>>,
}

impl File {
    /// Creates a file from its path and text, which need not be normalised.
    pub fn new(path: impl Into<String>, text: &str, traced: bool) -> File {
        let path = path.into();
        let name = path.rsplit('/').next().unwrap_or(&path);
        let text = normalise(text).into_owned();
        let (directives, ..) = front_matter(name, &text);
        let version = match FileKind::of(name) {
            Ok(FileKind::Migration { version, .. }) => Some(version),
            _ => None,
        };
        File { path, text, directives, version, traced, down: None }
    }

    /// A migration of a set.
    pub fn migration(migration: &Migration, traced: bool) -> File {
        File {
            path: migration.path.clone(),
            text: migration.sql.clone().into_owned(),
            directives: migration.directives.clone(),
            version: Some(migration.version),
            traced,
            down: migration.down.as_ref().map(|down| Box::new(File::new(&*down.path, &down.text, false))),
        }
    }

    /// A repeatable migration of a set.
    pub fn repeatable(repeatable: &Repeatable, traced: bool) -> File {
        File {
            path: repeatable.path.clone(),
            text: repeatable.sql.clone().into_owned(),
            directives: repeatable.directives.clone(),
            version: None,
            traced,
            down: None,
        }
    }
}

/// Whether a file of that name in a migrations folder is run: a versioned or repeatable migration.
pub fn runs(path: &str) -> bool {
    matches!(FileKind::of(path), Ok(FileKind::Migration { .. } | FileKind::Repeatable { .. }))
}

/// Sorts files of a set by the time at which they take effect: a backfill runs in the background and completes before
/// a later migration that waits for it, or at the end.
///
/// The flag is true for a backfill that a later migration waits for.
pub fn in_order(files: &[File]) -> Vec<(&File, bool)> {
    let mut order: Vec<(&File, bool)> = Vec::new();
    let mut running: Vec<&File> = Vec::new();
    for file in files {
        let awaited =
            |at: &mut &File| at.version.is_some_and(|version| file.directives.after.contains(&version));
        order.extend(running.extract_if(.., awaited).map(|file| (file, true)));
        match file.directives.backfill {
            Some(_) => running.push(file),
            None => order.push((file, false)),
        }
    }
    order.extend(running.into_iter().map(|file| (file, false)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backfill_completes_before_a_migration_that_waits_for_it() {
        let fill = "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET a = 1 WHERE id > $1 AND id <= $2;";
        let files = [
            File::new("m/V1__a.sql", "SELECT 1;", true),
            File::new("m/V2__fill.sql", fill, true),
            File::new("m/V3__b.sql", "SELECT 1;", true),
            File::new("m/V4__c.sql", "-- refit: after = [\"V2\"]\nSELECT 1;", true),
            File::new("m/V5__fill.sql", fill, true),
            File::new("m/V6__d.sql", "SELECT 1;", true),
        ];
        let order: Vec<_> =
            in_order(&files).into_iter().map(|(file, awaited)| (file.version, awaited)).collect();
        let expected = [(1, false), (3, false), (2, true), (4, false), (6, false), (5, false)];
        assert_eq!(order, expected.map(|(version, awaited)| (Some(version), awaited)));
    }
}
